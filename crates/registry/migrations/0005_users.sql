-- People who log in with a name of their own.
CREATE TABLE users (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    password        TEXT,             -- its hash, as a PHC string
    password_set_at INTEGER,
    created_by      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    removed_at      INTEGER,
    CHECK ((password IS NULL) = (password_set_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX users_present ON users (name) WHERE removed_at IS NULL;
CREATE TRIGGER users_stay BEFORE DELETE ON users
BEGIN
    SELECT RAISE(ABORT, 'rows of users are never deleted');
END;
