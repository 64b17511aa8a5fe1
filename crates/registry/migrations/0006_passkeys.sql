-- Keys of people's devices, by which they log in (WebAuthn). They go with their owner's row, and with
-- their owner's wish: the record says when.
CREATE TABLE passkeys (
    number     INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE, -- of the credential, base64url
    user       TEXT    NOT NULL,      -- the name of one who is present
    label      TEXT    NOT NULL,
    host       TEXT    NOT NULL,      -- that it is for
    handle     BLOB    NOT NULL,      -- whom the device takes its owner for
    key        BLOB    NOT NULL,
    state      BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    CHECK (length(handle) = 64)
) STRICT;
CREATE INDEX passkeys_of_user ON passkeys (user);
