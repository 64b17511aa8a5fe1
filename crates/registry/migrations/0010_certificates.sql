-- Certificates that were issued for others to use, and leaves of services that were replaced: what can
-- be revoked although nobody here serves it. Rows go some time after they expire; the record keeps them.
CREATE TABLE certificates (
    fingerprint BLOB    PRIMARY KEY CHECK (length(fingerprint) = 32),
    issuer      BLOB    NOT NULL CHECK (length(issuer) = 32),
    certificate BLOB    NOT NULL, -- DER
    kind        TEXT    NOT NULL,
    holder      TEXT    NOT NULL, -- the service's name when it was a leaf
    purpose     TEXT    NOT NULL,
    issued_by   TEXT    NOT NULL,
    issued_at   INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    revoked_at  INTEGER,
    reason      TEXT,
    revoked_by  TEXT,
    CHECK ((revoked_at IS NULL) = (reason IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_by_holder ON certificates (holder, kind);
CREATE INDEX certificates_by_end ON certificates (not_after);
CREATE INDEX certificates_revoked ON certificates (revoked_at) WHERE revoked_at IS NOT NULL;
