-- Deletes old rows of one slice of the heap. Walking the heap needs no index, so updates stay HOT.
--
-- $1 bigint first block   $2 bigint last block, exclusive
-- $3 integer history days: a row that nobody saved for longer is deleted
-- $4 integer settled hours: a row stays at least this long after it was written, so that no late write of an
--    older version finds its place empty and brings the session back
-- $5 boolean dry run: count only
-- Returns purged integer
--
-- The predicate is checked again under the lock: without it a row that was just saved would be deleted.
WITH slice AS MATERIALIZED (
  SELECT tenant_id, user_id
  FROM {session}
  WHERE ctid >= format('(%s,0)', $1::bigint)::tid
    AND ctid < format('(%s,0)', $2::bigint)::tid
    AND updated_at < now() - make_interval(days => $3::integer)
    AND synced_at < now() - make_interval(hours => $4::integer)
), locked AS MATERIALIZED (
  SELECT stored.tenant_id, stored.user_id
  FROM {session} AS stored
  JOIN slice USING (tenant_id, user_id)
  WHERE NOT $5::boolean
    AND stored.updated_at < now() - make_interval(days => $3::integer)
    AND stored.synced_at < now() - make_interval(hours => $4::integer)
  ORDER BY stored.tenant_id, stored.user_id
  FOR UPDATE OF stored SKIP LOCKED
), purged AS (
  DELETE FROM {session} AS stored
  USING locked
  WHERE stored.tenant_id = locked.tenant_id
    AND stored.user_id = locked.user_id
    AND stored.updated_at < now() - make_interval(days => $3::integer)
    AND stored.synced_at < now() - make_interval(hours => $4::integer)
  RETURNING 1
)
SELECT CASE WHEN $5::boolean THEN (SELECT count(*) FROM slice) ELSE (SELECT count(*) FROM purged) END::integer AS purged
