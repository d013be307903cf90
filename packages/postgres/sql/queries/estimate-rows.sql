-- How many rows there are, as the planner knows it: no table is read.
--
-- Returns rows text, NULL before the first ANALYZE; no row at all when the table is missing
SELECT nullif(reltuples, -1)::bigint::text AS rows FROM pg_class WHERE oid = to_regclass({session_literal})
