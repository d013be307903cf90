#!lua
-- save: changes sessions and announces each of them; each save happens whole or not at all (P1), whatever becomes of
-- the others of the call. Deleting is saving a tombstone.
--
-- KEYS  for each save: session  hash    changes  stream    dirty  zset    hlc  string    lease  string    meta  hash
--                      with a budget also: unsynced  hash, by tenant
-- ARGV  1 maxBytes   the largest state accepted, bytes
--       2 budgetBytes  what a tenant may have in the partition that PostgreSQL does not have, bytes; '' = not counted
--       then for each save:
--         state        JSON text, '' for a tombstone
--         opId         1..64 bytes without ' ' and '='; the same id again is answered, not applied, as long
--                      as it is among the session's last four operations
--         tombstone    '0' | '1'
--         ifVersion    '' = unconditional, '0' = only if there is no session, else the expected version
--         vouchedBy    what the load gave that ifVersion is from: its epoch, '' = not known; for '0' its lease, which
--                      says that nobody saved since. Without it that Redis has no session says nothing: one that was
--                      saved, synced and evicted is in PostgreSQL only
-- Returns  one line a save, in order:
--          'saved version'        applied now
--          'replayed version'     this opId was applied before, as that version
--          'conflict version'     ifVersion did not match, or nothing vouches for it; version is what Redis has, '0'
--                                 when absent. Also of a session of an earlier epoch that was loaded before it: Redis
--                                 may have gone back to that version, past later ones
--          'too_large bytes'
--          'over_budget bytes'    that many the tenant has already; a save that adds none is never refused
--          'failed error'         Redis' own error, or BADCLOCK: hlc holds nothing to count on from; the session is
--                                 as it was
-- Writes   session, changes, dirty, hlc, unsynced; removes lease. The session loses its TTL (P2).
-- Without flags Redis refuses the script before it starts when memory is full, so nothing is half done (P7).

local maxBytes, budgetBytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local keysOfSave = budgetBytes and 7 or 6

-- As MAX_VERSION of version.ts.
local MAX_VERSION = 4503599627370495
-- A session alone does not raise the clock above this: there is room to count on from it (2^40 below MAX_VERSION of version.ts).
local MAX_RAISED = 4502500115742719

-- Nothing for a text that is no version, or the last one: there is none after it.
local function countable(text)
  local number = (text == '0' or string.find(text, '^[1-9]%d*$')) and tonumber(text)
  return number and number < MAX_VERSION and number
end

local time = redis.call('TIME')
local nowUs = time[1] .. string.sub('00000' .. time[2], -6)

local function save(key, argument)
  local session, changes, dirty, hlc, lease, meta, unsynced = unpack(KEYS, key, key + keysOfSave - 1)
  local state, opId, tombstone, ifVersion, vouchedBy = unpack(ARGV, argument, argument + 4)

  -- Everything is read and checked before the first write: a script that fails after it is not rolled back.
  local stored = redis.call('HMGET', session, 'v', 'd', 'q', 'o', 'e', 'c')
  local version, event, operations = stored[1], stored[3] or '', stored[4] or ''
  local clock = redis.call('GET', hlc) or '0'
  local lastIssued = countable(clock)
  local known = countable(version or '0')
  if known and known > math.max(lastIssued or 0, MAX_RAISED) then
    known = nil
  end
  local present = redis.call('HGET', meta, 'epoch') or ''

  local _, found = string.find(' ' .. operations, ' ' .. opId .. '=', 1, true)
  if found then
    -- A write of its own: WAIT on this connection covers the save it answers for.
    redis.call('SET', hlc, lastIssued and string.format('%.0f', math.max(lastIssued, known or 0)) or clock)
    return 'replayed ' .. string.match(operations, '^%d+', found)
  end
  if ifVersion ~= '' then
    local isVouched = false
    if version then
      local isTrusted = stored[5] == present or stored[6] == present or vouchedBy == present
      isVouched = ifVersion == version and isTrusted
    elseif ifVersion == '0' then
      local ofPresent = present .. ':'
      isVouched = string.sub(vouchedBy, 1, #ofPresent) == ofPresent and redis.call('GET', lease) == vouchedBy
    end
    if not isVouched then
      return 'conflict ' .. (known and version or '0')
    end
  end
  if #state > maxBytes then
    return 'too_large ' .. #state
  end
  if not lastIssued then
    return 'failed BADCLOCK '
      .. hlc
      .. ' holds no version to count on from; nothing was saved. A sync consumer sets it right within 30 s.'
  end
  local tenant, unsyncedBytes
  if budgetBytes then
    tenant = string.match(session, ':s:([^:]+):[^:]+$')
    local addedBytes = #state - (stored[2] == '1' and redis.call('HSTRLEN', session, 's') or 0)
    local bytes = tonumber(string.match(redis.call('HGET', unsynced, tenant) or '', '^%-?%d+$') or '0')
    unsyncedBytes = string.format('%.0f', bytes + addedBytes)
    if addedBytes > 0 and bytes + addedBytes > budgetBytes then
      return 'over_budget ' .. string.format('%.0f', bytes)
    end
  end
  -- By the session alone: an event that was lost from the stream is announced again by sweep.
  local isAnnounced = stored[2] == '1' and event ~= ''

  -- The clock may step back and the session may have left Redis: the partition's last version is the floor (P3).
  local nextVersion, floor = nowUs, math.max(known or 0, lastIssued)
  if floor >= tonumber(nowUs) then
    -- %.0f because tostring() turns a version into 1.7638300001235e+15.
    nextVersion = string.format('%.0f', floor + 1)
  end
  local recent, cut = opId .. '=' .. nextVersion, 0
  for _ = 1, 3 do
    cut = cut and string.find(operations, ' ', cut + 1, true)
  end
  if operations ~= '' then
    recent = recent .. ' ' .. (cut and string.sub(operations, 1, cut - 1) or operations)
  end

  -- The session itself last: where the ACL lacks a command the save fails and has not happened. What the writes
  -- before it leave behind is harmless: take, settle and sweep find a session that is not dirty.
  if not isAnnounced then
    redis.call('ZCARD', dirty)
    event = redis.call('XADD', changes, '*', 'k', session)
  end
  -- Also of one that is dirty: the index is where sweep looks for lost events.
  redis.call('ZADD', dirty, 'NX', nowUs, session)
  if budgetBytes then
    redis.call('HSET', unsynced, tenant, unsyncedBytes)
  end
  redis.call('SET', hlc, nextVersion)
  -- Once for each save: `status` counts them by it.
  redis.call('PERSIST', session)
  if version and isAnnounced and stored[5] == present then
    redis.call('HSET', session, 's', state, 'v', nextVersion, 'o', recent, 't', tombstone)
    return 'saved ' .. nextVersion
  end
  if not version then
    -- There is none for a session that is here.
    redis.call('DEL', lease)
  end
  redis.call('HSET', session, 's', state, 'v', nextVersion, 'd', '1', 'q', event, 'o', recent, 't', tombstone,
    'e', present)
  return 'saved ' .. nextVersion
end

local replies = {}
for i = 1, #KEYS / keysOfSave do
  local isDone, reply = pcall(save, keysOfSave * (i - 1) + 1, 5 * i - 2)
  replies[i] = isDone and reply or 'failed ' .. (type(reply) == 'table' and reply.err or reply)
end
return table.concat(replies, '\n')
