-- The registry's tables; the capsules' table is the audit crate's.
-- Times are microseconds since 1970. Lists are JSON arrays.

CREATE TABLE meta (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL CHECK (generation >= 0)
) STRICT;
INSERT INTO meta (id, generation) VALUES (1, 0);

CREATE TABLE services (
    id               INTEGER PRIMARY KEY,
    name             TEXT    NOT NULL,
    hosts            TEXT    NOT NULL,
    upstreams        TEXT    NOT NULL,
    protocol         TEXT    NOT NULL,
    tls              TEXT    NOT NULL,
    dns              TEXT    NOT NULL,
    probe            TEXT    NOT NULL, -- 'connect', 'default' or a path
    when_all_ejected TEXT    NOT NULL,
    monitoring       TEXT    NOT NULL, -- a JSON object
    status           TEXT    NOT NULL CHECK (status IN ('active', 'inactive')),
    generation       INTEGER NOT NULL, -- of its registration
    registered_at    INTEGER NOT NULL,
    deregistered_at  INTEGER,
    CHECK ((status = 'active') = (deregistered_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX services_active ON services (name) WHERE status = 'active';
CREATE TRIGGER services_stay BEFORE DELETE ON services
BEGIN
    SELECT RAISE(ABORT, 'rows of services are never deleted');
END;

CREATE TABLE leaves (
    service     TEXT    NOT NULL,
    algorithm   TEXT    NOT NULL,
    certificate BLOB    NOT NULL, -- DER
    key         BLOB    NOT NULL, -- PKCS #8 DER
    issuer      BLOB    NOT NULL CHECK (length(issuer) = 32),
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    not_before  INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    PRIMARY KEY (service, algorithm)
) STRICT;

CREATE TABLE tokens (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA3-256 of the secret
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
