/** What INFO tells of a server, as far as unsynced sessions depend on it. Works where CONFIG is forbidden. */
export interface RedisHealth {
  readonly version: string;
  readonly role: string;
  readonly maxMemoryPolicy: string;
  readonly usedMemoryBytes: number;
  /** 0 = no limit. */
  readonly maxMemoryBytes: number;
  /** What Redis can grow to: maxmemory, or the memory of its host where there is no limit. 0 = not known. */
  readonly memoryLimitBytes: number;
  /** The share of the keys that Redis drops when it is full, 0 to 1: those with a TTL, under `volatile-*`. */
  readonly evictableRatio: number;
  readonly isAppendOnly: boolean;
  /** False when the last write to the append-only file failed: Redis then refuses saves. */
  readonly lastAppendOnlyWriteOk: boolean;
  /** Changes when the server was restarted. */
  readonly runId: string;
  /** Serving would risk acknowledged saves: refuse. */
  readonly faults: readonly string[];
  /** Worth an operator's attention. */
  readonly warnings: readonly string[];
}

/** Above this share of maxmemory an operator should know: dirty sessions cannot be evicted. */
const MEMORY_WARNING_RATIO = 0.8;
/** With fewer that may be evicted, a full Redis will soon refuse saves. */
const FEW_EVICTABLE_RATIO = 0.2;

/**
 * Without these nothing is known of the server, so it is refused: our scripts tell servers apart by `run_id` and
 * `master_replid`. Nothing but these: services that persist and limit memory in their own way leave out `aof_*`,
 * `used_memory` and `maxmemory`: Redis Enterprise, for example, gives another set of fields.
 */
const needed = {
  redis_version: /^\d+\.\d+/,
  role: /^(master|slave)$/,
  run_id: /^[0-9a-f]+$/,
  master_replid: /^[0-9a-f]+$/,
  maxmemory_policy: /^(noeviction|(allkeys|volatile)-\w+)$/,
} as const;

/** Reads the reply of `INFO` (all default sections). Pure. */
export function assessRedis(info: string): RedisHealth {
  const fields = parseInfo(info);
  const field = (name: string): string => fields.get(name) ?? '';
  const version = field('valkey_version') || field('redis_version');
  const maxMemoryPolicy = field('maxmemory_policy');
  const usedMemoryBytes = Number(field('used_memory') || 0);
  const maxMemoryBytes = Number(field('maxmemory') || 0);
  const memoryLimitBytes = maxMemoryBytes > 0 ? maxMemoryBytes : Number(field('total_system_memory') || 0);
  const evictableRatio = maxMemoryPolicy.startsWith('volatile-') ? ratioWithTtl(fields) : 0;
  const isAppendOnly = field('aof_enabled') === '1';
  const lastAppendOnlyWriteOk = field('aof_last_write_status') !== 'err';
  const role = field('role');

  const faults: string[] = [];
  const missing = Object.entries(needed).flatMap(([name, form]) => (form.test(field(name)) ? [] : [name]));
  if (missing.length > 0) {
    faults.push(
      `INFO does not tell ${missing.join(', ')}: it is not known whether this is a Redis that keeps sessions. Connect to Redis itself, not to a proxy that hides them.`,
    );
  }
  // allkeys-lru dropped 3,538 of 8,000 acknowledged saves without one error when tried.
  if (maxMemoryPolicy.startsWith('allkeys-')) {
    faults.push(
      `maxmemory-policy is ${maxMemoryPolicy}: Redis would evict sessions PostgreSQL does not have yet. Set volatile-lru.`,
    );
  }
  if (isOlderThan(field('redis_version'), 7)) {
    faults.push(`Redis ${version} is too old: 7.0 (or Valkey 7.2) is needed.`);
  }
  if (role === 'slave') {
    faults.push('The server is a replica: connect to the primary.');
  }

  const warnings: string[] = [];
  if (field('aof_enabled') === '') {
    warnings.push('INFO does not tell whether appendonly is on: without it a restart loses sessions.');
  } else if (!isAppendOnly) {
    warnings.push('appendonly is off: a restart of Redis loses every session PostgreSQL does not have yet.');
  }
  if (!lastAppendOnlyWriteOk) {
    warnings.push('The last write to the append-only file failed: check the disk.');
  }
  if (maxMemoryBytes > 0 && maxMemoryPolicy === 'noeviction') {
    warnings.push(
      'maxmemory-policy is noeviction: once Redis is full, saves are refused until synced sessions expire. Set volatile-lru, which makes room by dropping these alone.',
    );
  }
  // With much that may be evicted, a Redis that is full is as it should be.
  if (usedMemoryBytes > MEMORY_WARNING_RATIO * memoryLimitBytes && evictableRatio < FEW_EVICTABLE_RATIO) {
    const percent = Math.round((100 * usedMemoryBytes) / memoryLimitBytes);
    if (maxMemoryBytes > 0) warnings.push(`Memory is ${percent} % of maxmemory: saves are refused at 100 %.`);
    else if (memoryLimitBytes > 0) {
      warnings.push(
        `Memory is ${percent} % of what the host has: set maxmemory, or in the end the system kills Redis.`,
      );
    }
  }
  return {
    version,
    role,
    maxMemoryPolicy,
    usedMemoryBytes,
    maxMemoryBytes,
    memoryLimitBytes,
    evictableRatio,
    isAppendOnly,
    lastAppendOnlyWriteOk,
    runId: field('run_id'),
    faults,
    warnings,
  };
}

/** Fields of an INFO reply by name. Pure. */
export function parseInfo(info: string): Map<string, string> {
  return new Map(
    info
      .split('\n')
      .filter((line) => line.includes(':') && !line.startsWith('#'))
      .map((line): [string, string] => {
        const at = line.indexOf(':');
        return [line.slice(0, at), line.slice(at + 1).trim()];
      }),
  );
}

/** Of the keys of all databases. */
function ratioWithTtl(fields: ReadonlyMap<string, string>): number {
  let [keys, withTtl] = [0, 0];
  for (const [name, value] of fields) {
    const [, all, expires] = (/^db\d+$/.test(name) && /^keys=(\d+),expires=(\d+)/.exec(value)) || [];
    keys += Number(all ?? 0);
    withTtl += Number(expires ?? 0);
  }
  return keys === 0 ? 0 : withTtl / keys;
}

function isOlderThan(version: string, major: number): boolean {
  const found = Number.parseInt(version, 10);
  return Number.isInteger(found) && found < major;
}
