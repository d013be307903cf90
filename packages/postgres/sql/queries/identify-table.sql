-- Which table of sessions this is. The identity stays with the table wherever it is copied or restored to; the
-- database's name is for people.
--
-- Returns id text, database text; no row when somebody deleted the identity
SELECT id::text AS id, current_database() AS database FROM {session_identity}
