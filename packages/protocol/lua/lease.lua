#!lua
-- lease: what a load that missed does before it asks PostgreSQL (P5).
-- Whoever holds the token may hydrate; save removes it, so a row read before a save never enters Redis after it.
--
-- KEYS  1 session  hash    2 lease  string
-- ARGV  1 token       a fresh random text
--       2 leaseTtlMs  how long the restore may take, ms
-- Returns  { 'hit', state, version, tombstone, savedIn, confirmedIn }   the session is here after all; epochs or ''
--          { 'miss', token }                      the token to hydrate with; shared with who asked before
-- Writes   lease

local session, lease = KEYS[1], KEYS[2]
local token, leaseTtlMs = ARGV[1], ARGV[2]

local stored = redis.call('HMGET', session, 's', 'v', 't', 'e', 'c')
if stored[2] then
  return { 'hit', stored[1], stored[2], stored[3], stored[4] or '', stored[5] or '' }
end
local held = redis.call('GET', lease)
if held then
  return { 'miss', held }
end
redis.call('SET', lease, token, 'PX', leaseTtlMs)
return { 'miss', token }
