-- Stores the first writer mode of every partition, unless one has a mode already.
--
-- $1 integer how many partitions there are   $2 text mode   $3 text who does it
-- Returns partition integer of each that was stored
INSERT INTO {session_mode} AS stored (scope, mode, term, changed_by)
SELECT 'p:' || partition, $2, 1, $3
FROM generate_series(0, $1::integer - 1) AS partition
WHERE NOT EXISTS (SELECT FROM {session_mode})
ON CONFLICT (scope) DO NOTHING
RETURNING substr(stored.scope, 3)::integer AS partition
