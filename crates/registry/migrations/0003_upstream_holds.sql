-- The upstreams that an operator holds back: a JSON array of objects.
ALTER TABLE services ADD COLUMN holds TEXT NOT NULL DEFAULT '[]';
