-- Which rows of a batch are locked by another transaction at this moment.
--
-- $1 text[] tenant ids   $2 text[] user ids
-- Returns tenant_id, user_id
--
-- NO KEY UPDATE is the lock the upsert takes. Rows that are free are locked until the end of this transaction.
WITH wanted AS (
  SELECT tenant_id, user_id FROM unnest($1::text[], $2::text[]) AS batch (tenant_id, user_id)
), free AS MATERIALIZED (
  SELECT stored.tenant_id, stored.user_id
  FROM {session} AS stored
  JOIN wanted USING (tenant_id, user_id)
  FOR NO KEY UPDATE OF stored SKIP LOCKED
)
SELECT stored.tenant_id, stored.user_id
FROM {session} AS stored
JOIN wanted USING (tenant_id, user_id)
WHERE NOT EXISTS (
  SELECT FROM free WHERE free.tenant_id = stored.tenant_id AND free.user_id = stored.user_id
)
