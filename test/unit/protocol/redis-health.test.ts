import { assessRedis, parseInfo } from '@cauce/protocol';
import { expect, it } from 'vitest';

const healthy = {
  redis_version: '7.0.15',
  run_id: 'abc',
  master_replid: 'def',
  role: 'master',
  used_memory: '1000',
  maxmemory: '10000',
  maxmemory_policy: 'volatile-lru',
  aof_enabled: '1',
  aof_last_write_status: 'ok',
};

function info(changes: Record<string, string> = {}): string {
  const fields = Object.entries({ ...healthy, ...changes }).map(([name, value]) => `${name}:${value}`);
  return ['# Server', ...fields, '', '# Keyspace', 'db0:keys=1,expires=0,avg_ttl=0'].join('\r\n');
}

it('a durable primary that evicts no unsynced session has neither faults nor warnings', () => {
  expect(assessRedis(info())).toEqual({
    version: '7.0.15',
    role: 'master',
    maxMemoryPolicy: 'volatile-lru',
    usedMemoryBytes: 1000,
    maxMemoryBytes: 10_000,
    memoryLimitBytes: 10_000,
    evictableRatio: 0,
    isAppendOnly: true,
    lastAppendOnlyWriteOk: true,
    runId: 'abc',
    faults: [],
    warnings: [],
  });
});

it.each([
  ['allkeys-lru', /maxmemory-policy is allkeys-lru/],
  ['allkeys-lfu', /allkeys-lfu/],
  ['allkeys-random', /allkeys-random/],
])('P2 F12 eviction policy %s is a fault', (policy, message) => {
  expect(assessRedis(info({ maxmemory_policy: policy })).faults).toEqual([expect.stringMatching(message)]);
});

it.each(['noeviction', 'volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'])(
  'P2 F12 eviction policy %s keeps sessions without a TTL',
  (policy) => {
    expect(assessRedis(info({ maxmemory_policy: policy })).faults).toEqual([]);
  },
);

it.each([
  ['6.2.14', 1],
  ['5.0.0', 1],
  ['7.0.0', 0],
  ['7.4.1', 0],
  ['8.0.0', 0],
  ['10.0.0', 0],
])('Redis %s has %i faults', (version, count) => {
  expect(assessRedis(info({ redis_version: version })).faults).toHaveLength(count);
});

it('Valkey, which says Redis 7.2.4 for compatibility, is named by its own version', () => {
  const health = assessRedis(info({ redis_version: '7.2.4', valkey_version: '8.0.1' }));
  expect(health).toMatchObject({ version: '8.0.1', faults: [] });
});

it('a replica is a fault', () => {
  expect(assessRedis(info({ role: 'slave' })).faults).toEqual([
    expect.stringContaining('connect to the primary'),
  ]);
});

it('every fault is reported, not the first one only', () => {
  const changes = { role: 'slave', redis_version: '6.0.0', maxmemory_policy: 'allkeys-lru' };
  expect(assessRedis(info(changes)).faults).toHaveLength(3);
});

it('without the append-only file there is a warning', () => {
  const health = assessRedis(info({ aof_enabled: '0' }));
  expect(health).toMatchObject({ isAppendOnly: false, faults: [] });
  expect(health.warnings).toEqual([expect.stringContaining('appendonly is off')]);
});

it('a failed write of the append-only file is a warning', () => {
  const health = assessRedis(info({ aof_last_write_status: 'err' }));
  expect(health.lastAppendOnlyWriteOk).toBe(false);
  expect(health.warnings).toEqual([expect.stringContaining('check the disk')]);
});

it.each([
  ['8000', '10000', 0],
  ['8001', '10000', 1],
  ['9900', '10000', 1],
  ['99999', '0', 0],
])('P7 %s of %s bytes used gives %i warnings', (used, max, count) => {
  expect(assessRedis(info({ used_memory: used, maxmemory: max })).warnings).toHaveLength(count);
});

it.each([
  ['volatile-lru', 'keys=99,expires=19,avg_ttl=5', 1],
  ['volatile-lru', 'keys=99,expires=20,avg_ttl=5', 0],
  ['volatile-ttl', 'keys=100,expires=99,avg_ttl=5', 0],
])(
  'P7 a full Redis under %s with %s gives %i warnings: it makes room where it may',
  (policy, keys, count) => {
    const full = { used_memory: '9900', maxmemory_policy: policy, db3: keys };
    expect(assessRedis(info(full)).warnings).toHaveLength(count);
  },
);

it('P7 noeviction with a limit is a warning: synced sessions keep a full Redis full', () => {
  const names = (changes: Record<string, string>) => assessRedis(info(changes)).warnings.join();
  expect(names({ maxmemory_policy: 'noeviction' })).toContain('Set volatile-lru');
  expect(names({ maxmemory_policy: 'noeviction', maxmemory: '0' })).toBe('');
});

it('P7 without a limit it is the memory of the host that counts', () => {
  const health = assessRedis(info({ maxmemory: '0', used_memory: '900', total_system_memory: '1000' }));
  expect(health.memoryLimitBytes).toBe(1000);
  expect(health.warnings).toEqual([expect.stringContaining('90 % of what the host has: set maxmemory')]);
});

it('the memory warning says how full it is', () => {
  expect(assessRedis(info({ used_memory: '9123' })).warnings[0]).toContain('91 %');
});

it('a managed server that hides memory and persistence is not accused', () => {
  const hidden = { used_memory: '', maxmemory: '', aof_enabled: '', aof_last_write_status: '' };
  expect(assessRedis(info(hidden))).toMatchObject({
    faults: [],
    maxMemoryBytes: 0,
    lastAppendOnlyWriteOk: true,
  });
  expect(assessRedis(info(hidden)).warnings).toEqual([expect.stringContaining('does not tell')]);
});

it.each([
  ['redis_version', 'x'],
  ['role', 'OK'],
  ['run_id', 'not hexadecimal'],
  ['master_replid', 'not hexadecimal'],
  ['maxmemory_policy', 'whatever'],
])('P2 without %s, or with "%s" in it, it is not known whether sessions are safe', (name, value) => {
  for (const found of ['', value]) {
    expect(assessRedis(info({ [name]: found })).faults).toEqual([
      expect.stringContaining(`INFO does not tell ${name}:`),
    ]);
  }
});

it('what is no INFO at all is a fault', () => {
  for (const reply of ['', 'OK', '\n\n:::\n']) expect(assessRedis(reply).faults).toHaveLength(1);
});

it('INFO is read with either line ending, values keep their colons', () => {
  expect([...parseInfo('# Server\r\nos:Linux: 6.1\r\n\r\ntcp_port:6379\nempty:\n')]).toEqual([
    ['os', 'Linux: 6.1'],
    ['tcp_port', '6379'],
    ['empty', ''],
  ]);
});
