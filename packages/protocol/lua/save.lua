#!lua
-- save: changes sessions and announces each of them. Each save happens completely or not at all (P1), independent of
-- the other saves of the call. Deleting is saving a tombstone.
--
-- KEYS  for each save: session  hash    changes  stream    dirty  zset    meta  hash
--                      with a budget also: unsynced  hash, by tenant
-- ARGV  1 maxBytes   the largest state accepted, bytes
--       2 budgetBytes  most unsynced bytes of a tenant in the partition; '' = not counted
--       then for each save:
--         operation    opId, 1..64 bytes without ' ' and '='. The same id again is answered and not applied, while
--                      it is among the session's last four operations. A condition adds, after a space each:
--                      ifVersion, '0' = only if there is no session, '*' = whatever it is, if this opId is surely
--                      not among its last operations, else the expected version;
--                      loadedUnder, from the load that gave ifVersion: its epoch, '' = not known; or its lease, if it
--                      found no session, which says that nobody saved since. Without the lease an absent session
--                      proves nothing: it may have been saved, synced and evicted, and be only in PostgreSQL
--         state        JSON text, '' for a tombstone
-- Returns  one line for each save, in order:
--          'saved version'        applied now. If the partition has a writer mode, its period follows after a space; so
--                                 it does for replayed
--          'replayed version'     this opId was applied before, as that version
--          'moved mode term'      the writer mode of the partition is not redis, and nothing was looked at. 'void 0': a
--                                 text that is no writer mode
--          'conflict version'     ifVersion did not match, or nothing proves that it was the newest. version is what
--                                 Redis has, '0' when absent. Also for a session of an earlier epoch that was loaded in that epoch:
--                                 Redis may have gone back to this version, and may have lost later ones
--          'too_large bytes'
--          'over_budget bytes'    the unsynced bytes of the tenant; a save that adds none is never refused
--          'failed error'         an error of Redis, or BADFLOOR: no version can be counted from the floor. The session
--                                 did not change
-- Writes   session, changes, dirty, meta, unsynced. The session loses its TTL (P2), and its lease.
-- Without flags Redis refuses the script before it starts when memory is full, so nothing is half done (P7).

local maxBytes, budgetBytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local keysOfSave = budgetBytes and 5 or 4

--#include header
--#include floor
--#include epoch
--#include mode

local call, find, sub, match, format = redis.call, string.find, string.sub, string.match, string.format
local time = call('TIME')
local nowText = time[1] .. sub('00000' .. time[2], -6)
local nowUs = nowText + 0
-- By its meta, what was read of each partition: epoch, floor, period with a space before it, and the answer to each save
-- if the fence (P10) lets none pass.
local partitions = {}

local function save(key, argument)
  local session, changes, dirty, meta, unsynced = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4]
  local opId, state = ARGV[argument], ARGV[argument + 1]
  local ifVersion, loadedUnder
  if find(opId, ' ', 1, true) then
    opId, ifVersion, loadedUnder = match(opId, '^(%S*) (%S*) (.*)$')
  end

  -- Everything is read and checked before the first write: a script that fails after it is not rolled back.
  local partition = partitions[meta]
  if not partition then
    local read = call('HMGET', meta, 'epoch', 'floor', 'mode')
    -- One that was opened and has no floor has lost it.
    partition = { epochOf(read[1]), floorOf(read[2] or read[1] and ''), '' }
    if read[3] then
      partition[3] = openPeriod(read[3])
      if not partition[3] then
        local mode, term = readMode(read[3])
        partition[4] = 'moved ' .. (mode or 'void') .. ' ' .. (term or '0')
      end
    end
    partitions[meta] = partition
  end
  if partition[4] then
    return partition[4]
  end
  local header = call('HGET', session, 'm')
  local present, floor = partition[1], partition[2]

  local version, isDirty, _, event, savedIn, confirmedIn, expiresAtMs, at
  if header then
    version, isDirty, _, event, savedIn, confirmedIn, expiresAtMs, at = readHeader(header)
  end
  if version then
    local _, found = find(header, ' ' .. opId .. '=', at, true)
    local savedAs = found and match(header, '^%d+', found + 1)
    if savedAs then
      -- A write of its own: WAIT on this connection covers the save it answers for.
      call('HSET', session, 'm', header)
      return 'replayed ' .. savedAs .. partition[3]
    end
  end
  -- Nothing where it cannot be counted on from.
  local known = version and version + 0
  if known and known > (floor or 0) and (known > MAX_RAISED or known >= MAX_VERSION) then
    known = nil
  end
  if ifVersion then
    local isProven = false
    if version then
      local isTrusted = savedIn == present or confirmedIn == present or loadedUnder == present
      isProven = (ifVersion == version or ifVersion == '*') and isTrusted
    elseif ifVersion == '0' or ifVersion == '*' then
      local ofPresent = present .. ':'
      isProven = sub(loadedUnder, 1, #ofPresent) == ofPresent and call('HGET', session, 'l') == loadedUnder
    end
    if not isProven then
      return 'conflict ' .. (known and version or '0')
    end
  end
  if #state > maxBytes then
    return 'too_large ' .. #state
  end
  if not floor then
    return 'failed BADFLOOR the floor in '
      .. meta
      .. ' is not a valid version; nothing was saved. A sync consumer corrects it within 30 s.'
  end
  local tenant, unsyncedBytes
  if budgetBytes then
    tenant = match(session, ':s:([^:]+):[^:]+$')
    local addedBytes = #state - (isDirty == '1' and call('HSTRLEN', session, 's') or 0)
    local bytes = tonumber(match(call('HGET', unsynced, tenant) or '', '^%-?%d+$') or '0')
    unsyncedBytes = format('%.0f', bytes + addedBytes)
    if addedBytes > 0 and bytes + addedBytes > budgetBytes then
      return 'over_budget ' .. format('%.0f', bytes)
    end
  end

  -- The clock may step back (P3). A session that was saved in this epoch has its last version; any other one may have
  -- had every version up to the floor: it left Redis, or was replaced by a row, or Redis went back. A floor that is
  -- further ahead than what is reserved comes from a row or from such a clock: all count on from it, so that no save
  -- loses against that row (P6).
  local next, nextVersion = known or 0, nowText
  if savedIn ~= present or present == '' or not known or floor > nowUs + RESERVE_US then
    next = next > floor and next or floor
  end
  next = next + 1
  if next > nowUs then
    -- %.0f because tostring() turns a version into 1.7638300001235e+15.
    nextVersion = format('%.0f', next)
  else
    next = nowUs
  end
  -- The last three; a space is before each.
  local operations = ''
  if version then
    local second = find(header, ' ', at + 1, true)
    local third = second and find(header, ' ', second + 1, true)
    local fourth = third and find(header, ' ', third + 1, true)
    operations = sub(header, at, fourth and fourth - 1 or -1)
  end

  -- The session itself last: where the ACL lacks a command the save fails and has not happened. What the writes
  -- before it leave behind is harmless: take, settle and sweep find a session that is not dirty.
  -- By the session alone: an event that was lost from the stream is announced again by sweep.
  if isDirty ~= '1' or event == '' then
    call('ZCARD', dirty)
    event = call('XADD', changes, '*', 'k', session)
  end
  -- Also of one that is dirty: the index is where sweep looks for lost events. Once for each save: `status` counts
  -- them by it.
  call('ZADD', dirty, 'NX', nowText, session)
  if budgetBytes then
    call('HSET', unsynced, tenant, unsyncedBytes)
  end
  if next > floor then
    floor = nowUs + RESERVE_US
    floor = next > floor and next or floor
    call('HSET', meta, 'floor', format('%.0f', floor))
    partition[2] = floor < MAX_VERSION and floor
  end
  if not header then
    -- With the lease, and its TTL.
    call('DEL', session)
  elseif isDirty ~= '1' then
    call('PERSIST', session)
  end
  call('HSET', session, 's', state, 'm', nextVersion .. (state == '' and ' 11 ' or ' 10 ') .. event .. ' ' .. present
    .. ' ' .. (confirmedIn or '') .. ' ' .. (expiresAtMs or '') .. ' ' .. opId .. '=' .. nextVersion .. operations)
  return 'saved ' .. nextVersion .. partition[3]
end

local replies = {}
for i = 1, #KEYS / keysOfSave do
  local isDone, reply = pcall(save, keysOfSave * (i - 1) + 1, 2 * i + 1)
  replies[i] = isDone and reply or 'failed ' .. (type(reply) == 'table' and reply.err or reply)
end
return table.concat(replies, '\n')
