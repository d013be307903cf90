-- The newest version of all. Reads the whole table, because an index on version would end HOT updates; it is
-- asked for only when Redis has no clock: an empty Redis.
--
-- Returns version text, '0' for an empty table
--
-- Without what Redis cannot count on from (MAX_VERSION of the protocol): one such row would stop every partition.
SELECT coalesce(max(version) FILTER (WHERE version <= 4503599627370495), 0)::text AS version FROM {session}
