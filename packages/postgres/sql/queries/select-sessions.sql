-- Reads the rows of a batch of sessions, for the consumer and for the bot.
--
-- $1 text[] tenant ids   $2 text[] user ids
-- Returns one row for each session: position (0-based, as given), state text (NULL = tombstone, or no row),
-- version text (NULL = no row), operations text (NULL = none is known), relation_kind (pg_class.relkind: a view and a foreign table may leave rows out)
SELECT (asked.ordinality - 1)::integer AS position,
       stored.state::text AS state,
       stored.version::text AS version,
       stored.operations,
       (SELECT relkind FROM pg_catalog.pg_class WHERE oid = {session_literal}::regclass) AS relation_kind
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (tenant_id, user_id)
LEFT JOIN {session} AS stored USING (tenant_id, user_id)
