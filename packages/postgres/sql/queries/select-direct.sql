-- Reads the rows of sessions, and who may write them, in one snapshot.
--
-- $1 text[] tenant ids   $2 text[] user ids   $3 integer[] partition of each   $4 integer how many partitions there are
-- Returns one row for each session: position (0-based, as given), state text (NULL = tombstone, or no row),
-- version text (NULL = no row), operations and relation_kind (as select-sessions.sql), mode (as the fence gives it), term text
SELECT (asked.ordinality - 1)::integer AS position,
       stored.state::text AS state,
       stored.version::text AS version,
       stored.operations,
       (SELECT relkind FROM pg_catalog.pg_class WHERE oid = {session_literal}::regclass) AS relation_kind,
       CASE WHEN $4 = (SELECT partitions FROM {session_layout}) THEN scoped.mode ELSE 'other_layout' END AS mode,
       scoped.term::text AS term
FROM unnest($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS asked (tenant_id, user_id, partition)
LEFT JOIN {session} AS stored USING (tenant_id, user_id)
LEFT JOIN {session_mode} AS scoped ON scoped.scope = 'p:' || asked.partition
