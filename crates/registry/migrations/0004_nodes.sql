-- Monitored machines that operators added. Paths are those of the gateway's machine.
CREATE TABLE nodes (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    key         TEXT,
    jump        TEXT,
    known_hosts TEXT,
    fingerprint TEXT,             -- of the host key that was accepted
    tags        TEXT    NOT NULL, -- a JSON array
    added_at    INTEGER NOT NULL,
    removed_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX nodes_watched ON nodes (name) WHERE removed_at IS NULL;
CREATE TRIGGER nodes_stay BEFORE DELETE ON nodes
BEGIN
    SELECT RAISE(ABORT, 'rows of nodes are never deleted');
END;
