// Defects that would break a promise, and the tests that have to notice each of them. They exist only as text here and
// are applied to a copy of the working tree: no build and no package contains one.

const save = 'packages/protocol/lua/save.lua';
const settle = 'packages/protocol/lua/settle.lua';
const upsert = 'packages/sync-consumer/sql/queries/upsert-sessions.sql';

/**
 * @typedef {object} Mutant
 * @property {string} name
 * @property {string} breaks what goes wrong, in one line
 * @property {string} promise of docs/architecture.md
 * @property {string} file
 * @property {string} find occurs exactly once in the file; short and stable, so that the table outlives other changes
 * @property {string} replace
 * @property {string[]} tests the cheapest files that have to fail
 */

/** @type {Mutant[]} */
export const mutants = [
  {
    name: 'save-announces-half-done',
    breaks: 'a save changes the session before the event is in the stream',
    promise: 'P1',
    file: save,
    find: "local isAnnounced = stored[2] == '1'",
    replace: "redis.call('HSET', session, 's', state)\n  local isAnnounced = stored[2] == '1'",
    tests: ['test/contract/lua/save-atomic.test.ts'],
  },
  {
    name: 'failed-save-fails-its-batch',
    breaks: 'saves that were applied are reported as refused, because another one of their call failed',
    promise: 'P1',
    file: save,
    find: 'pcall(save, 6 * i - 5, 5 * i - 3)',
    replace: 'true, save(6 * i - 5, 5 * i - 3)',
    tests: ['test/contract/lua/save-many.test.ts'],
  },
  {
    name: 'save-forgets-op-id',
    breaks: 'a repeated save is applied a second time',
    promise: 'P1',
    file: save,
    find: "local recent, cut = opId .. '=' .. nextVersion, 0",
    replace: "local recent, cut = '', 0",
    tests: ['test/contract/lua/save.test.ts'],
  },
  {
    name: 'lost-answer-taken-for-a-refusal',
    breaks: 'the bot is told that a save did not happen, and it did',
    promise: 'P1',
    file: 'packages/protocol/src/redis-failure.ts',
    find: "return { effect: 'unknown', retryable: true, reason: 'CONNECTION_LOST' };",
    replace: "return { effect: 'refused', retryable: true, reason: 'CONNECTION_LOST' };",
    tests: ['test/unit/protocol/redis-failure.test.ts'],
  },
  {
    name: 'update-repeats-under-a-new-op-id',
    breaks: 'an update whose answer was lost is not recognised when it is repeated',
    promise: 'P1',
    file: 'packages/session-client/src/update-session.ts',
    find: 'await steps.reconnected();',
    replace: 'await steps.reconnected();\n      options.opId = steps.newOpId();',
    tests: ['test/integration/session-client/redis-faults.test.ts'],
  },
  {
    name: 'save-keeps-ttl',
    breaks: 'a dirty session expires before PostgreSQL has it',
    promise: 'P2',
    file: save,
    find: "redis.call('PERSIST', session)",
    replace: '',
    tests: ['test/contract/lua/save.test.ts'],
  },
  {
    name: 'eviction-policy-unchecked',
    breaks: 'a Redis that evicts unsynced sessions is accepted',
    promise: 'P2',
    file: 'packages/protocol/src/redis-health.ts',
    find: "maxMemoryPolicy.startsWith('allkeys-')",
    replace: "maxMemoryPolicy === 'allkeys'",
    tests: ['test/unit/protocol/redis-health.test.ts'],
  },
  {
    name: 'save-ignores-version-floor',
    breaks: 'after the clock stepped back a save gets a version below the row',
    promise: 'P3',
    file: save,
    find: 'math.max(tonumber(version) or 0, lastIssued)',
    replace: 'tonumber(version) or 0',
    tests: ['test/contract/lua/save-version.test.ts'],
  },
  {
    name: 'save-leaves-version-floor',
    breaks: 'a version that was issued is issued again',
    promise: 'P3',
    file: save,
    find: "redis.call('SET', hlc, nextVersion)",
    replace: '',
    tests: ['test/contract/lua/save-version.test.ts'],
  },
  {
    name: 'adopt-leaves-version-floor',
    breaks: 'the save after a conflict loses against the same row again',
    promise: 'P3',
    file: 'packages/protocol/lua/adopt.lua',
    find: "redis.call('SET', hlc, version)",
    replace: '',
    tests: ['test/contract/lua/adopt.test.ts'],
  },
  {
    name: 'upsert-without-guard',
    breaks: 'a late write of a sleeping consumer overwrites a newer row',
    promise: 'P3',
    file: upsert,
    find: 'WHERE excluded.version > stored.version',
    replace: '',
    tests: ['test/contract/sql/upsert-sessions.test.ts'],
  },
  {
    name: 'upsert-guard-lets-equals-through',
    breaks: 'a batch that is carried twice is written twice',
    promise: 'P3',
    file: upsert,
    find: 'WHERE excluded.version > stored.version',
    replace: 'WHERE excluded.version >= stored.version',
    tests: ['test/contract/sql/upsert-sessions.test.ts'],
  },
  {
    name: 'upsert-drops-tombstones',
    breaks: 'a delete leaves no row that stops an older write',
    promise: 'P3',
    file: upsert,
    find: 'FROM incoming',
    replace: 'FROM incoming WHERE state IS NOT NULL',
    tests: ['test/contract/sql/upsert-sessions.test.ts'],
  },
  {
    name: 'purge-trusts-its-first-look',
    breaks: 'a session that was saved while the purge ran is deleted',
    promise: 'P3',
    file: 'packages/sync-consumer/sql/queries/purge-sessions.sql',
    // Locking and deleting both look again, and either of them would be enough.
    find: `    AND stored.updated_at < now() - make_interval(days => $3::integer)
    AND stored.synced_at < now() - make_interval(hours => $4::integer)
  ORDER BY stored.tenant_id, stored.user_id
  FOR UPDATE OF stored SKIP LOCKED
), purged AS (
  DELETE FROM {session} AS stored
  USING locked
  WHERE stored.tenant_id = locked.tenant_id
    AND stored.user_id = locked.user_id
    AND stored.updated_at < now() - make_interval(days => $3::integer)
    AND stored.synced_at < now() - make_interval(hours => $4::integer)
`,
    replace: `  ORDER BY stored.tenant_id, stored.user_id
  FOR UPDATE OF stored SKIP LOCKED
), purged AS (
  DELETE FROM {session} AS stored
  USING locked
  WHERE stored.tenant_id = locked.tenant_id
    AND stored.user_id = locked.user_id
`,
    tests: ['test/contract/sql/purge-race.test.ts'],
  },
  {
    name: 'save-trusts-the-index',
    breaks: 'a dirty session whose event and index were lost is never announced again',
    promise: 'P4',
    file: save,
    find: "redis.call('ZADD', dirty, 'NX', nowUs, session)",
    replace: "if not isAnnounced then redis.call('ZADD', dirty, 'NX', nowUs, session) end",
    tests: ['test/contract/lua/save.test.ts'],
  },
  {
    name: 'take-hands-out-clean-sessions',
    breaks: 'a session that is in step already is carried again',
    promise: 'P4',
    file: 'packages/protocol/lua/take.lua',
    find: "stored[1] == '1' and ",
    replace: '',
    tests: ['test/contract/lua/take.test.ts'],
  },
  {
    name: 'settle-always-cleans',
    breaks: 'a session that was saved since is taken for synced',
    promise: 'P4',
    file: settle,
    find: 'elseif stored[1] == version then',
    replace: 'elseif true then',
    tests: ['test/contract/lua/settle.test.ts'],
  },
  {
    name: 'settle-trims-pending',
    breaks: 'the events of another consumer go with those of this one',
    promise: 'P4',
    file: settle,
    find: 'oldest or ms',
    replace: 'ms',
    tests: ['test/contract/lua/settle.test.ts'],
  },
  {
    name: 'settle-announces-nothing',
    breaks: 'a session that was saved since waits for the sweep',
    promise: 'P4',
    file: settle,
    find: "redis.call('HSET', session.key, 'q', redis.call('XADD', changes, '*', 'k', session.key))",
    replace: '',
    tests: ['test/contract/lua/settle.test.ts'],
  },
  {
    name: 'sweep-trusts-the-stream',
    breaks: "an event that is in nobody's pending list is taken for alive",
    promise: 'P4',
    file: 'packages/protocol/lua/sweep.lua',
    find: "return #redis.call('XPENDING', changes, group, event, event, 1) == 1",
    replace: 'return true',
    tests: ['test/contract/lua/sweep.test.ts'],
  },
  {
    name: 'group-starts-at-the-end',
    breaks: 'what was announced before the first consumer is skipped',
    promise: 'P4',
    file: 'packages/protocol/lua/open-partition.lua',
    find: "changes, group, '0', 'MKSTREAM'",
    replace: "changes, group, '$', 'MKSTREAM'",
    tests: ['test/contract/lua/open-partition.test.ts'],
  },
  {
    name: 'acks-before-commit',
    breaks: 'a consumer that dies before the commit takes its sessions with it',
    promise: 'P4',
    file: 'packages/sync-consumer/src/sync-pass.ts',
    find: "await onPhase('taken');",
    replace: `await settleBatch(
          { ...this.#deps, nowMs: Date.now },
          { committed: rows, acknowledged: [], refused: [], held: [], takenAtUs },
          { ttlMs },
        );
        await onPhase('taken');`,
    tests: ['test/fault/consumer-killed.test.ts'],
  },
  {
    name: 'commit-not-durable',
    breaks: 'a crash of PostgreSQL loses rows whose events are gone already',
    promise: 'P4',
    file: 'packages/sync-consumer/src/postgres/in-transaction.ts',
    find: 'SET LOCAL synchronous_commit = on; ',
    replace: '',
    tests: ['test/contract/sql/upsert-durability.test.ts'],
  },
  {
    name: 'save-keeps-lease',
    breaks: 'a row read before a save enters Redis after it',
    promise: 'P5',
    file: save,
    find: "redis.call('DEL', lease)",
    replace: '',
    tests: ['test/contract/lua/save.test.ts'],
  },
  {
    name: 'hydrate-ignores-lease',
    breaks: 'a deleted session comes back with a row that was read before',
    promise: 'P5',
    file: 'packages/protocol/lua/hydrate.lua',
    find: "if redis.call('GET', lease) ~= token then",
    replace: 'if false then',
    tests: ['test/contract/lua/hydrate.test.ts'],
  },
  {
    name: 'old-epoch-trusted',
    breaks: 'a session that Redis brought back older than its row is served',
    promise: 'P5',
    file: 'packages/protocol/lua/confirm.lua',
    find: 'if wins or tonumber(rowVersion) <= tonumber(version) then',
    replace: 'if true then',
    tests: ['test/contract/lua/confirm.test.ts'],
  },
  {
    name: 'epoch-outlives-connection',
    breaks: 'a bot trusts what a restarted Redis brought back as if nothing had happened',
    promise: 'P6',
    file: 'packages/session-client/src/redis-gate.ts',
    find: 'epochs.clear();',
    replace: '',
    tests: ['test/fault/redis-went-back.test.ts'],
  },
  {
    name: 'cas-over-older-epoch',
    breaks: 'compare-and-set builds on a version that Redis went back to, past later ones',
    promise: 'P6',
    file: save,
    find: "(ifVersion ~= (version or '0') or not isTrusted)",
    replace: "ifVersion ~= (version or '0')",
    tests: ['test/contract/lua/epoch.test.ts'],
  },
  {
    name: 'reissue-of-older-save',
    breaks: 'what Redis went back to overwrites the newer row',
    promise: 'P6',
    file: 'packages/protocol/lua/reissue.lua',
    find: 'if not wins or (opened[2] and opened[2] ~= server) then',
    replace: 'if false then',
    tests: ['test/contract/lua/epoch.test.ts'],
  },
  {
    name: 'confirmed-counts-as-saved',
    breaks: 'an older unsynced session wins over its newer row',
    promise: 'P6',
    file: 'packages/protocol/lua/confirm.lua',
    find: "redis.call('HSET', session, 'c', epoch)",
    replace: "redis.call('HSET', session, 'c', epoch, 'e', epoch)",
    tests: ['test/contract/lua/confirm.test.ts'],
  },
  {
    name: 'losers-not-archived',
    breaks: 'the state that lost to a newer row is gone',
    promise: 'P6',
    file: 'packages/sync-consumer/src/pipeline/resolve-outdated.ts',
    find: 'if (disputed.length > 0 &&',
    replace: 'if (disputed.length < 0 &&',
    tests: ['test/fault/conflict-not-archived.test.ts'],
  },
  {
    name: 'refused-archive-taken-for-done',
    breaks: 'the state that lost is gone when PostgreSQL refuses to keep it',
    promise: 'P6',
    file: 'packages/sync-consumer/src/pipeline/resolve-outdated.ts',
    find: 'return false;',
    replace: 'return true;',
    tests: ['test/fault/conflict-not-archived.test.ts'],
  },
  {
    name: 'save-runs-when-memory-is-full',
    breaks: 'saves go on past maxmemory',
    promise: 'P7',
    file: save,
    find: '#!lua\n',
    replace: '#!lua flags=allow-oom\n',
    tests: ['test/contract/lua/out-of-memory.test.ts'],
  },
  {
    name: 'settle-refused-when-memory-is-full',
    breaks: 'a full Redis never drains',
    promise: 'P7',
    file: settle,
    find: '#!lua flags=allow-oom',
    replace: '#!lua',
    tests: ['test/contract/lua/out-of-memory.test.ts'],
  },
  {
    name: 'settle-announces-twice',
    breaks: 'the stream grows with the saves instead of with the sessions',
    promise: 'P8',
    file: settle,
    find: "if session.event == '' or #redis.call('XRANGE', changes, session.event, session.event) == 0 then",
    replace: 'if true then',
    tests: ['test/contract/lua/settle.test.ts'],
  },
  {
    name: 'park-drops-session-from-dirty-index',
    breaks: 'a parked session is never tried again',
    promise: 'P9',
    file: 'packages/protocol/lua/park.lua',
    find: "redis.call('HSET', parked, session, record)",
    replace: "redis.call('HSET', parked, session, record)\n  redis.call('ZREM', dirty, session)",
    tests: ['test/contract/lua/park.test.ts'],
  },
  {
    name: 'shutdown-blamed-on-rows',
    breaks: 'sessions are parked because PostgreSQL is shut down',
    promise: 'P9',
    file: 'packages/sync-consumer/src/postgres/classify-failure.ts',
    find: "'53', '55', '57', '58'",
    replace: "'53', '55', '58'",
    tests: ['test/unit/sync-consumer/upsert-outage.test.ts'],
  },
  {
    name: 'broken-socket-blamed-on-rows',
    breaks: 'sessions are parked because PostgreSQL cannot be reached',
    promise: 'P9',
    file: 'packages/sync-consumer/src/postgres/classify-failure.ts',
    find: 'if (socketCode.test(code)) return',
    replace: 'if (socketCode.test(message)) return',
    tests: ['test/unit/sync-consumer/classify-failure.test.ts'],
  },
  {
    name: 'bisection-loses-a-half',
    breaks: 'neighbours of a refused row are neither written nor left pending',
    promise: 'P9',
    file: 'packages/sync-consumer/src/pipeline/upsert-batch.ts',
    find: 'waiting.push({ rows: attempt.rows.slice(half), breaks: 0, timeouts: 0 });',
    replace: '',
    tests: ['test/unit/sync-consumer/upsert-bisect.test.ts'],
  },
  {
    name: 'breaker-never-opens',
    breaks: 'a wrong constraint parks the whole fleet',
    promise: 'P9',
    file: 'packages/sync-consumer/src/postgres/parking-breaker.ts',
    find: 'this.#isOpen ||= this.#refusedAtMs.length >= limit;',
    replace: '',
    tests: ['test/unit/sync-consumer/parking-breaker.test.ts'],
  },
  {
    name: 'codec-accepts-nul',
    breaks: 'a state PostgreSQL cannot store is accepted from the bot',
    promise: 'P9',
    file: 'packages/session-client/src/state-codec.ts',
    find: String.raw`text.includes('\0')`,
    replace: String.raw`text.includes('\0\0\0')`,
    tests: ['test/unit/session-client/state-codec.test.ts'],
  },
];
