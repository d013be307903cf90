#!lua
-- lease: what a load that missed does before it asks PostgreSQL (P5).
-- Whoever holds the lease may hydrate; save removes it, so a row read before a save never enters Redis after it. One
-- that is still there says that nobody has saved since: a load that found no row vouches with it for the absence.
--
-- KEYS  1 session  hash    2 lease  string    3 meta  hash
-- ARGV  1 token       a fresh random text
--       2 leaseTtlMs  how long the restore, or a change to what was not there, may take, ms
-- Returns  { 'hit', state, version, tombstone, savedIn, confirmedIn }   the session is here after all; epochs or ''
--          { 'miss', lease }   'epoch:token'; shared with who asked before in this epoch
-- Writes   lease

local session, lease, meta = KEYS[1], KEYS[2], KEYS[3]
local token, leaseTtlMs = ARGV[1], ARGV[2]

local stored = redis.call('HMGET', session, 's', 'v', 't', 'e', 'c')
if stored[2] then
  return { 'hit', stored[1], stored[2], stored[3], stored[4] or '', stored[5] or '' }
end
local taken = (redis.call('HGET', meta, 'epoch') or '') .. ':'
local held = redis.call('GET', lease)
-- Of an earlier epoch: Redis may have gone back to it, past the save that removed it.
if held and string.sub(held, 1, #taken) == taken then
  return { 'miss', held }
end
redis.call('SET', lease, taken .. token, 'PX', leaseTtlMs)
return { 'miss', taken .. token }
