-- Writes a batch, for the consumer and for the bot. A row changes only if the incoming version is newer (P3). The same
-- batch a second time has no effect.
--
-- $1 text[] tenant ids   $2 text[] user ids   $3 jsonb[] states; NULL = tombstone   $4 text[] versions
-- $5 text[] operations: the last saves of each; NULL = none is known
-- $6 text identity of the table: in another table nothing is written; NULL = any table
-- $7 text[] scope of each: its partition as 'p:0'; NULL = not taken from Redis   $8 text[] period in which it was taken
-- Returns position (0-based, as given) of each row that was not written as given: the version guard rejected it, the
-- fence kept it out (select-fenced-sessions.sql), or a trigger prevented it or changed its version. All others were
-- written.
--
-- The order is the primary key's, so two batches never deadlock.
WITH accepted AS MATERIALIZED (
  SELECT taken.scope, taken.period
  FROM (SELECT DISTINCT scope, period FROM unnest($7::text[], $8::text[]) AS batch (scope, period)) AS taken
  WHERE
--#include accepts
), incoming AS (
  SELECT tenant_id, user_id, state, version::bigint AS version, operations,
         to_timestamp(version::bigint / 1e6) AS updated_at
  FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $7::text[], $8::text[])
    AS batch (tenant_id, user_id, state, version, operations, scope, period)
  WHERE EXISTS (
    SELECT FROM accepted
    WHERE accepted.scope IS NOT DISTINCT FROM batch.scope AND accepted.period = batch.period
  )
  ORDER BY tenant_id COLLATE "C", user_id COLLATE "C"
), written AS (
  INSERT INTO {session} AS stored (
    tenant_id, user_id, state, version, operations, created_at, updated_at, synced_at
  )
  SELECT tenant_id, user_id, state, version, operations, updated_at, updated_at, clock_timestamp()
  FROM incoming
  WHERE $6::text IS NULL OR $6::text = (SELECT id::text FROM {session_identity})
  ON CONFLICT (tenant_id, user_id) DO UPDATE
  SET state = excluded.state,
      version = excluded.version,
      operations = excluded.operations,
      updated_at = excluded.updated_at,
      synced_at = excluded.synced_at
  WHERE excluded.version > stored.version
  RETURNING stored.tenant_id, stored.user_id, stored.version
)
SELECT (given.ordinality - 1)::integer AS position
FROM unnest($1::text[], $2::text[], $4::text[]) WITH ORDINALITY AS given (tenant_id, user_id, version)
WHERE NOT EXISTS (
  SELECT FROM written
  WHERE written.tenant_id = given.tenant_id
    AND written.user_id = given.user_id
    AND written.version = given.version::bigint
)
