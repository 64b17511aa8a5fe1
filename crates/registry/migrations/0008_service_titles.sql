-- What people read instead of a service's name; NULL is nothing.
ALTER TABLE services ADD COLUMN title TEXT;
