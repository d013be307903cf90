-- Keeps states that lost to a newer row (P6). Archiving one twice has no effect.
--
-- $1 text[] tenant ids   $2 text[] user ids   $3 text[] states, JSON; NULL = tombstone   $4 text[] versions
-- $5 text[] winning versions
-- Returns position (0-based, as given) of each state that was written: a trigger may prevent that.
WITH archived AS (
  INSERT INTO {session_conflict} (tenant_id, user_id, state, version, winning_version)
  SELECT tenant_id, user_id, state::jsonb, version::bigint, winning_version::bigint
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS lost (tenant_id, user_id, state, version, winning_version)
  ORDER BY tenant_id COLLATE "C", user_id COLLATE "C", version
  ON CONFLICT (tenant_id, user_id, version) DO NOTHING
  RETURNING tenant_id, user_id, version
)
SELECT (given.ordinality - 1)::integer AS position
FROM unnest($1::text[], $2::text[], $4::text[]) WITH ORDINALITY AS given (tenant_id, user_id, version)
JOIN (
  SELECT tenant_id, user_id, version FROM archived
  UNION ALL
  SELECT tenant_id, user_id, version FROM {session_conflict}
) AS kept ON kept.tenant_id = given.tenant_id
         AND kept.user_id = given.user_id
         AND kept.version = given.version::bigint
