-- Deletes archived conflicts older than the history.
--
-- $1 integer history days   $2 boolean dry run: count only
-- Returns purged integer
WITH doomed AS MATERIALIZED (
  SELECT tenant_id, user_id, version
  FROM {session_conflict}
  WHERE recorded_at < now() - make_interval(days => $1::integer)
), purged AS (
  DELETE FROM {session_conflict} AS stored
  USING doomed
  WHERE NOT $2::boolean
    AND (stored.tenant_id, stored.user_id, stored.version) = (doomed.tenant_id, doomed.user_id, doomed.version)
  RETURNING 1
)
SELECT CASE WHEN $2::boolean THEN (SELECT count(*) FROM doomed) ELSE (SELECT count(*) FROM purged) END::integer AS purged
