-- Compares clean sessions of Redis with their rows; jsonb equality, so spelling and key order do not matter.
--
-- $1 text[] tenant ids   $2 text[] user ids   $3 text[] states, JSON; NULL = tombstone   $4 text[] versions
-- Returns one row for each difference: position (0-based, as given), stored_version text (NULL = no row), and
-- difference: 'missing' | 'older_row' | 'newer_row' | 'other_state'. A purged tombstone is not a difference.
SELECT (given.ordinality - 1)::int AS position,
       stored.version::text AS stored_version,
       CASE
         WHEN stored.version IS NULL THEN 'missing'
         WHEN stored.version < given.version::bigint THEN 'older_row'
         WHEN stored.version > given.version::bigint THEN 'newer_row'
         ELSE 'other_state'
       END AS difference
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
  WITH ORDINALITY AS given (tenant_id, user_id, state, version)
LEFT JOIN {session} AS stored USING (tenant_id, user_id)
WHERE (stored.version IS NULL AND given.state IS NOT NULL)
   OR (stored.version IS NOT NULL AND stored.version <> given.version::bigint)
   OR (stored.version = given.version::bigint AND stored.state IS DISTINCT FROM given.state::jsonb)
ORDER BY position
