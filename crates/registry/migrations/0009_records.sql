-- DNS records that operators gave. Rows are never deleted: what is gone says since when.
CREATE TABLE records (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,      -- lower case, without a dot at the end
    type       TEXT    NOT NULL,
    data       TEXT    NOT NULL,      -- in the one form that it is written in
    ttl        INTEGER,               -- seconds; NULL is the zone's own
    generation INTEGER NOT NULL,      -- that it came with
    added_by   TEXT    NOT NULL,
    added_at   INTEGER NOT NULL,
    removed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX records_present ON records (name, type, data) WHERE removed_at IS NULL;
CREATE TRIGGER records_stay BEFORE DELETE ON records
BEGIN
    SELECT raise(ABORT, 'rows of records are never deleted');
END;
