-- The newest version of all. Reads the whole table, because an index on version would end HOT updates; it is
-- asked for only when Redis has no clock: an empty Redis.
--
-- Returns version text, '0' for an empty table
SELECT coalesce(max(version), 0)::text AS version FROM {session}
