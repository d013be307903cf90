-- Reads the rows of a batch of sessions; sessions without a row are absent.
--
-- $1 text[] tenant ids   $2 text[] user ids
-- Returns tenant_id, user_id, state text (NULL = tombstone), version text
SELECT stored.tenant_id, stored.user_id, stored.state::text AS state, stored.version::text AS version
FROM unnest($1::text[], $2::text[]) AS wanted (tenant_id, user_id)
JOIN {session} AS stored USING (tenant_id, user_id)
