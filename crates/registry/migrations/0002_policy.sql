-- What is asked of a service's traffic: a JSON object, as in the API.
ALTER TABLE services ADD COLUMN policy TEXT NOT NULL DEFAULT '{}';
