#!lua flags=allow-oom
-- settle: after the commit. Acknowledges and removes the events; a session whose version is still the one
-- PostgreSQL has becomes clean and gets its TTL (P2, P4); one that was saved since is announced again.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4.. session  hash
-- ARGV  1 group
--       2 ttlMs     how long a clean session stays, ms
--       3 takenAtUs when the states were taken: the change that is still unsynced is not older, us
--       then for each session: version ('' = none was written), number of events, its event ids
-- Returns  one text a session, in the order of KEYS:
--          'clean'  in step with PostgreSQL    'dirty'  saved since, announced    'gone'  no such session
--          'unreadable'  something that is no session stands under its key: it is left as it is, and so are its events
-- Writes   changes, dirty, parked, session. allow-oom: it only shrinks, or adds one event for one removed (P7).

local changes, dirty, parked = KEYS[1], KEYS[2], KEYS[3]
local group, ttlMs, takenAtUs = ARGV[1], string.format('%.0f', ARGV[2]), ARGV[3]

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local anyParked = redis.call('HLEN', parked) > 0
local sessions, next = {}, 4
for i = 4, #KEYS do
  local session = { key = KEYS[i], written = ARGV[next], events = {} }
  for event = next + 2, next + 1 + tonumber(ARGV[next + 1]) do
    session.events[#session.events + 1] = ARGV[event]
  end
  next = next + 2 + #session.events
  local stored = redis.pcall('HMGET', session.key, 'v', 'd', 'q')
  if stored.err and not string.find(stored.err, 'WRONGTYPE', 1, true) then
    return stored
  end
  session.unreadable = stored.err ~= nil
  session.version, session.dirty, session.event = stored[1], stored[2], stored[3]
  sessions[#sessions + 1] = session
end

local outcomes = {}
for i, session in ipairs(sessions) do
  if not session.unreadable then
    for _, event in ipairs(session.events) do
      redis.call('XACK', changes, group, event)
      redis.call('XDEL', changes, event)
    end
  end
  if session.unreadable then
    outcomes[i] = 'unreadable'
  elseif not session.version then
    redis.call('ZREM', dirty, session.key)
    if anyParked then
      redis.call('HDEL', parked, session.key)
    end
    outcomes[i] = 'gone'
  elseif session.dirty ~= '1' then
    redis.call('ZREM', dirty, session.key)
    -- Only where a script was refused half-way by the ACL is there none yet.
    redis.call('PEXPIRE', session.key, ttlMs, 'NX')
    outcomes[i] = 'clean'
  elseif session.version == session.written then
    -- The newest version is in PostgreSQL, so an event that still waits has nothing left to announce.
    if session.event ~= '' then
      redis.call('XACK', changes, group, session.event)
      redis.call('XDEL', changes, session.event)
    end
    redis.call('HSET', session.key, 'd', '0', 'q', '')
    redis.call('PEXPIRE', session.key, ttlMs)
    redis.call('ZREM', dirty, session.key)
    if anyParked then
      redis.call('HDEL', parked, session.key)
    end
    outcomes[i] = 'clean'
  else
    if session.event == '' or #redis.call('XRANGE', changes, session.event, session.event) == 0 then
      redis.call('HSET', session.key, 'q', redis.call('XADD', changes, '*', 'k', session.key))
    end
    if session.written ~= '' then
      redis.call('ZADD', dirty, 'XX', 'GT', takenAtUs, session.key)
    end
    outcomes[i] = 'dirty'
  end
end
return outcomes
