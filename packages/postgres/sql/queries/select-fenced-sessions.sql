-- Which rows of a batch the fence keeps out. A period that is over never comes again, so what it kept out it still does.
--
-- $1 text[] scope of each: its partition as 'p:0'; NULL = not taken from Redis   $2 text[] period in which it was taken
-- Returns position (0-based, as given)
--
-- The condition is that of upsert-sessions.sql.
SELECT (taken.ordinality - 1)::integer AS position
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS taken (scope, period)
WHERE NOT CASE
  WHEN taken.scope IS NULL THEN NOT EXISTS (SELECT FROM {session_mode})
  ELSE coalesce(
    (SELECT present.mode IN ('redis', 'to_direct') AND present.period = taken.period::bigint
     FROM {session_mode} AS present WHERE present.scope = taken.scope),
    taken.period = '0'
  )
END
