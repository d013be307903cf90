#!lua
-- lease: a load that missed takes a lease before it asks PostgreSQL (P5).
-- The holder of the lease may restore. save removes it, so a row that was read before a save never enters Redis after
-- it. A lease that is still there proves that nobody has saved since, so it also proves that there is no session.
--
-- KEYS  1 session  hash    2 meta  hash
-- ARGV  1 token       a fresh random text
--       2 leaseTtlMs  how long the restore, or the change of an absent session, may take, ms
-- Returns  { 'hit', state, header }   the session is here now; '' if it has no state or no header
--          { 'miss', lease }   'epoch:token'; shared with an earlier caller of this epoch
-- Writes   session: a key that holds only a lease, with its TTL, is no session

local session, meta = KEYS[1], KEYS[2]
local token, leaseTtlMs = ARGV[1], ARGV[2]

--#include epoch

local stored = redis.call('HMGET', session, 's', 'm', 'l')
if stored[1] or stored[2] then
  return { 'hit', stored[1] or '', stored[2] or '' }
end
local taken = epochOf(redis.call('HGET', meta, 'epoch')) .. ':'
local held = stored[3]
-- Of an earlier epoch: Redis may have gone back to it, past the save that removed it.
if held and string.sub(held, 1, #taken) == taken then
  return { 'miss', held }
end
-- Before there is anything, for a user who may not run it: a lease that is written has a TTL.
redis.call('PEXPIRE', session, leaseTtlMs)
redis.call('HSET', session, 'l', taken .. token)
redis.call('PEXPIRE', session, leaseTtlMs)
return { 'miss', taken .. token }
