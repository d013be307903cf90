-- Stores the layout of the data at the first call, and returns the stored one.
--
-- $1 integer partitions   $2 text hash   $3 integer protocol
-- Returns partitions, hash, protocol: of the row that was there, or of the row just written
WITH pinned AS (
  INSERT INTO {session_layout} (partitions, hash, protocol)
  VALUES ($1::integer, $2::text, $3::integer)
  ON CONFLICT (only_row) DO NOTHING
  RETURNING partitions, hash, protocol
)
SELECT partitions, hash, protocol FROM pinned
UNION ALL
SELECT partitions, hash, protocol FROM {session_layout}
LIMIT 1
