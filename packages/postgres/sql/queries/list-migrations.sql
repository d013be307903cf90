-- Which migrations ran, in their order.
--
-- Returns name text
SELECT name FROM {session_migration} ORDER BY id
