-- What a token is for: scopes with blanks between; none is everything that its role may do.
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
