-- Which table of sessions this is. A copy or a restored table keeps the identity. The name of the database is for
-- people.
--
-- Returns id text, database text; no row if the identity was deleted
SELECT id::text AS id, current_database() AS database FROM {session_identity}
