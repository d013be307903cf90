-- Whether a session may be written that was taken from Redis: its partition belongs to Redis, in the period in which it
-- was taken. '0' was taken when no mode was known. taken (scope, period)
  CASE
    WHEN taken.scope IS NULL THEN NOT EXISTS (SELECT FROM {session_mode})
    ELSE coalesce(
      (SELECT present.mode IN ('redis', 'to_direct') AND present.period = taken.period::bigint
       FROM {session_mode} AS present WHERE present.scope = taken.scope),
      taken.period = '0'
    )
  END
