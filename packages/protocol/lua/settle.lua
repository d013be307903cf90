#!lua flags=allow-oom
-- settle: runs after the commit. It acknowledges and removes the events. A session that still has the version of
-- PostgreSQL becomes clean and gets its TTL (P2, P4). A session that was saved since is announced again.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4 unsynced  hash, bytes by tenant where bots count them
--       5.. session  hash, each once
-- ARGV  1 group
--       2 ttlMs     how long a clean session stays, ms
--       3 takenAtUs when the states were taken, us; a change that is still unsynced is not older
--       then for each session: version ('' = none was written), number of events, its event ids
-- Returns  one word for each session, in the order of KEYS, with spaces between them:
--          'clean'  PostgreSQL has it    'dirty'  saved since, announced    'gone'  no such session; or a clean
--          one that was older, and is removed
--          'unreadable'  the value under its key is not a session; it does not change, and its events stay
-- Writes   changes, dirty, parked, unsynced, session. allow-oom: it only shrinks, or adds one event for one
--          removed (P7).

local changes, dirty, parked, unsynced = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, ttlMs, takenAtUs = ARGV[1], string.format('%.0f', ARGV[2]), ARGV[3]

--#include header
--#include format-header
--#include read-session
--#include event
--#include info-named

local groups = redis.pcall('XINFO', 'GROUPS', changes)
if groups.err and not string.find(groups.err, 'no such key', 1, true) then
  return groups
end
redis.call('ZCARD', dirty)
local anyParked = redis.call('HLEN', parked) > 0
local isCounted = redis.call('HLEN', unsynced) > 0

-- Every session is read before the first is written.
local outcomes, written, cleanHeaders, untouched, outdated, savedSince, inStep = {}, {}, {}, {}, {}, {}, {}
local committed = {}
local events, isListed = {}, {}
local function remove(event)
  if event ~= '' and not isListed[event] then
    events[#events + 1] = event
    isListed[event] = true
  end
end
local next = 4
for i = 5, #KEYS do
  local session, version, first = KEYS[i], ARGV[next], next + 2
  next = first + ARGV[next + 1]
  local held, isDirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, operations = readSession(session)
  local outcome = 'clean'
  if held ~= 'unreadable' then
    for at = first, next - 1 do
      remove(ARGV[at])
    end
  end
  if not isDirty then
    outcome = held
    if held == 'gone' and version ~= '' then
      committed[#committed + 1] = session
    end
  elseif isDirty ~= '1' and version ~= '' and tonumber(held) < tonumber(version) then
    outcome = 'gone'
    outdated[#outdated + 1] = session
  elseif isDirty ~= '1' then
    untouched[#untouched + 1] = session
  elseif held == version then
    written[#written + 1] = session
    cleanHeaders[#written] = formatHeader(held, '0', tombstone, '', savedIn, confirmedIn, expiresAtMs, operations)
    -- The newest version is in PostgreSQL, so an event that still waits has nothing left to announce.
    if not isListed[event] then
      remove(eventOf(event))
    end
  else
    outcome = 'dirty'
    savedSince[#savedSince + 1] = {
      key = session,
      event = eventOf(event),
      isOlderWritten = version ~= '',
      announced = function(anew)
        return formatHeader(held, '1', tombstone, anew, savedIn, confirmedIn, expiresAtMs, operations)
      end,
    }
  end
  if outcome == 'clean' or outcome == 'gone' then
    inStep[#inStep + 1] = session
  end
  outcomes[i - 4] = outcome
end

-- One command for many, because most of what a command costs is the call; Lua passes at most 8,000.
local function inChunks(items, send)
  for first = 1, #items, 1000 do
    send(unpack(items, first, math.min(first + 999, #items)))
  end
end

-- An event that was delivered and is in no pending list is settled, or lost; then the sweep announces its session. One
-- XTRIM removes all of them; XDEL looks for each event from the start of its node of the stream. Returns the id below
-- which nothing is left.
local function trimDone()
  local ours = infoNamed(groups, group)
  if not ours then
    return ''
  end
  local oldest = redis.call('XPENDING', changes, group)[2]
  local ms, seq = string.match(ours['last-delivered-id'], '(%d+)-(%d+)')
  -- There is nothing above the largest number of an id, and Lua cannot count there.
  local above = #seq < 16 and string.format('%.0f', seq + 1) or seq
  local first = oldest or ms .. '-' .. above
  redis.call('XTRIM', changes, 'MINID', first)
  return first
end

-- No effect on a dirty session, which has no TTL: a user who may not set one is refused before the first session is
-- clean.
if written[1] then
  redis.call('PEXPIRE', written[1], ttlMs, 'XX')
end
inChunks(events, function(...)
  redis.call('XACK', changes, group, ...)
end)
local first, left, changedSince = trimDone(), {}, {}
for _, event in ipairs(events) do
  -- Texts of one length compare as the ids do: they begin with the same number of digits, of ms.
  if #event ~= #first or event >= first then
    left[#left + 1] = event
  end
end
inChunks(left, function(...)
  redis.call('XDEL', changes, ...)
end)
for i, session in ipairs(written) do
  redis.call('HSET', session, 'm', cleanHeaders[i])
  redis.call('PEXPIRE', session, ttlMs)
end
for _, session in ipairs(untouched) do
  -- Only where a script was refused half-way by the ACL is there none yet.
  redis.call('PEXPIRE', session, ttlMs, 'NX')
end
for _, session in ipairs(outdated) do
  -- Redis went back, and it was restored from its row just before the commit.
  redis.call('DEL', session)
end
for _, session in ipairs(committed) do
  -- It was discarded meanwhile. What a load read of its row before the commit must not enter Redis (P5).
  redis.call('HDEL', session, 'l')
end
for _, session in ipairs(savedSince) do
  if session.event == '' or #redis.call('XRANGE', changes, session.event, session.event) == 0 then
    -- A line of its own: the error of a user who may not run a command names the line.
    local event = redis.call('XADD', changes, '*', 'k', session.key)
    redis.call('HSET', session.key, 'm', session.announced(event))
  end
  if session.isOlderWritten then
    changedSince[#changedSince + 1] = takenAtUs
    changedSince[#changedSince + 1] = session.key
  end
end
-- `status` counts saves by ZADD.
inChunks(changedSince, function(...)
  redis.call('ZADD', dirty, 'XX', 'GT', ...)
end)
inChunks(inStep, function(...)
  redis.call('ZREM', dirty, ...)
  if anyParked then
    redis.call('HDEL', parked, ...)
  end
end)

-- If few sessions are left, they are counted again. This corrects a count that is wrong: nothing was subtracted for a
-- session that was deleted or adopted, or another program changed the count.
local FEW = 100
if isCounted then
  local left = redis.call('ZRANGE', dirty, 0, FEW)
  local isAnew = #left <= FEW
  if isAnew then
    redis.call('DEL', unsynced)
  end
  for _, session in ipairs(isAnew and left or written) do
    local tenant = string.match(session, ':s:([^:]+):[^:]+$')
    local bytes = redis.pcall('HSTRLEN', session, 's')
    if tenant and type(bytes) == 'number' then
      -- All is settled here. A count that is not a number waits until it is counted again.
      local counted = redis.pcall('HINCRBY', unsynced, tenant, isAnew and bytes or 0 - bytes)
      if type(counted) == 'number' and counted < 0 then
        redis.call('HSET', unsynced, tenant, '0')
      end
    end
  end
end
return table.concat(outcomes, ' ')
