-- The identity of this server: a restart changes the run id; a promotion, or data copied from another server, the
-- replication id.
local function serverIdentity()
  local info = redis.call('INFO', 'server', 'replication')
  local _, runId = string.find(info, 'run_id:', 1, true)
  local _, replicationId = string.find(info, 'master_replid:', 1, true)
  return string.sub(info, runId + 1, runId + 40) .. string.sub(info, replicationId + 1, replicationId + 40)
end
