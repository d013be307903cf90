-- Returns blocks bigint: the length of the table's heap, in pages. purge-sessions walks it in slices.
SELECT (pg_relation_size({session_literal}::regclass) / current_setting('block_size')::bigint)::text AS blocks
