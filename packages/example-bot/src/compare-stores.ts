import { isDeepStrictEqual } from 'node:util';
import { SESSION_FIELDS, sessionIn } from '@cauce/protocol';
import type { Acknowledged } from './bot-messages.ts';
import type { Stores } from './open-stores.ts';

export interface Comparison {
  readonly remembered: number;
  readonly inRedis: number;
  readonly rows: number;
  /** Of the rows: tombstones. */
  readonly cleared: number;
  /** One line for each session that is lost or wrong; empty when all three agree. */
  readonly differences: readonly string[];
}

export type ComparedStores = Pick<Stores, 'redis' | 'pool' | 'keyspace' | 'schema' | 'table'>;

/** A session as one of the three has it; a state of null: cleared. */
interface Version {
  readonly version: string;
  readonly state: unknown;
}

/**
 * Compares every session in the bot's memory and every session in Redis with its row in PostgreSQL: version and
 * state, and a tombstone for what was cleared. A session that has left Redis since it was synced is none the worse.
 */
export async function compareStores(
  memory: readonly Acknowledged[],
  stores: ComparedStores,
): Promise<Comparison> {
  const remembered = new Map(memory.map((session) => [nameOf(session.tenantId, session.userId), session]));
  const [inRedis, rows] = await Promise.all([readRedis(stores), readRows(stores)]);
  const differences: string[] = [];
  const expect = (name: string, expected: Version, source: string): void => {
    const difference = findDifference(expected, rows.get(name));
    if (difference) differences.push(`${name}: ${difference} (expected by ${source})`);
  };
  for (const [name, session] of remembered) {
    const hash = inRedis.get(name);
    if (session.isUncertain) differences.push(`${name}: its last save was never answered`);
    else expect(name, session, "the bot's memory");
    // A difference between Redis and the memory shows as one between Redis and the row.
    if (hash) expect(name, hash, 'Redis');
  }
  for (const name of new Set([...inRedis.keys(), ...rows.keys()])) {
    if (!remembered.has(name)) differences.push(`${name}: no bot got an answer that it is saved`);
  }
  return {
    remembered: remembered.size,
    inRedis: inRedis.size,
    rows: rows.size,
    cleared: [...rows.values()].filter(({ state }) => state === null).length,
    differences,
  };
}

function findDifference(expected: Version, row: Version | undefined): string | undefined {
  if (!row) return `lost, no row for version ${expected.version}`;
  if (BigInt(row.version) < BigInt(expected.version)) {
    return `lost, the row has version ${row.version} and not ${expected.version}`;
  }
  if (row.version !== expected.version) return `the row has version ${row.version}, not ${expected.version}`;
  if (expected.state === null || row.state === null) {
    if (expected.state === row.state) return undefined;
    return expected.state === null ? 'cleared, but the row has a state' : 'the row is a tombstone';
  }
  return isDeepStrictEqual(row.state, expected.state) ? undefined : 'the row has another state';
}

async function readRedis({
  redis,
  keyspace,
}: Pick<ComparedStores, 'redis' | 'keyspace'>): Promise<Map<string, Version>> {
  const found = new Map<string, Version>();
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    let cursor = '0';
    do {
      const pattern = keyspace.sessionPattern(partition);
      const [next, keys] = (await redis.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000')) as [
        string,
        string[],
      ];
      await Promise.all(
        keys.map(async (key) => {
          const ref = keyspace.parse(key)?.ref;
          const held = sessionIn('read', await redis.hmget(key, ...SESSION_FIELDS));
          if (!ref || held.kind !== 'session') return;
          const { version, isTombstone, state } = held;
          found.set(nameOf(ref.tenantId, ref.userId), {
            version,
            state: isTombstone ? null : JSON.parse(state),
          });
        }),
      );
      cursor = next;
    } while (cursor !== '0');
  }
  return found;
}

async function readRows({
  pool,
  schema,
  table,
}: Pick<ComparedStores, 'pool' | 'schema' | 'table'>): Promise<Map<string, Version>> {
  const { rows } = await pool.query<{ tenant_id: string; user_id: string } & Version>(
    `SELECT tenant_id, user_id, state, version::text AS version FROM "${schema}"."${table}"`,
  );
  return new Map(rows.map(({ tenant_id, user_id, ...row }) => [nameOf(tenant_id, user_id), row]));
}

function nameOf(tenantId: string, userId: string): string {
  return `${tenantId}/${userId}`;
}
