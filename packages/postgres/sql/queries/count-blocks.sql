-- Returns blocks bigint: the length of the table's heap, in pages; of a partitioned table, of its longest partition.
-- purge-sessions walks it in slices, of all partitions at once.
WITH RECURSIVE tree (oid) AS (
  SELECT {session_literal}::regclass::oid
  UNION ALL
  SELECT inhrelid FROM pg_catalog.pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT (max(pg_relation_size(oid)) / current_setting('block_size')::bigint)::text AS blocks FROM tree
