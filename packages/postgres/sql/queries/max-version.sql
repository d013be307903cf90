-- The newest version of all rows. It reads the whole table, because an index on version would end HOT updates. It runs
-- only if a partition in Redis has no version floor: an empty Redis.
--
-- Returns version text, '0' for an empty table
--
-- Without versions above MAX_VERSION of the protocol: Redis cannot count from them, and one such row would stop every
-- partition.
SELECT coalesce(max(version) FILTER (WHERE version <= 4503599627370495), 0)::text AS version FROM {session}
