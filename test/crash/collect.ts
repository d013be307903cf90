// What the stores hold after a run, in the checker's terms.
import { setTimeout as delay } from 'node:timers/promises';
import { type Cached, hashJson, nameSession, type Row, type RowChange, recordHistory } from '@cauce/history';
import { type Keyspace, parseHeader, SESSION_FIELDS, SESSION_HASH, sessionIn } from '@cauce/protocol';
import { createSessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { retryRefused } from './refusals.ts';
import { isCounter, KEY_PREFIX, PARTITIONS, refOf, SCHEMA } from './sessions.ts';
import type { World } from './world.ts';

const DRAIN_LIMIT_MS = 30_000;

/** Of HMGET, PTTL, ZSCORE and HEXISTS. */
type CachedReplies = [fields: unknown, ttlMs: number, dirtySinceUs: string | null, isParked: number];

interface StoredRow {
  readonly user_id: string;
  readonly version: string;
  readonly state: string | null;
  readonly counter: string | null;
}

interface StoredChange {
  readonly operation: RowChange['operation'];
  readonly user_id: string;
  readonly version: string;
  readonly n: string;
  readonly is_tombstone: boolean;
}

/** Waits until nothing is dirty and nothing is announced. */
export async function drain(world: World): Promise<{ stillDirty: number; drainMs: number }> {
  const startedMs = performance.now();
  for (;;) {
    if ((await world.countParked()) > 0) await retryRefused(world);
    const stillDirty = (await world.countDirty()) || (await world.countEvents());
    const drainMs = Math.round(performance.now() - startedMs);
    if (stillDirty === 0 || drainMs > DRAIN_LIMIT_MS) return { stillDirty, drainMs };
    await delay(20);
  }
}

export async function readCache(
  { admin, keyspace }: World,
  sessions: readonly string[],
): Promise<Map<string, Cached>> {
  const cache = new Map<string, Cached>();
  for (const session of sessions) {
    const { key, partition, ref } = keyspace.locate(refOf(session));
    const replies = await admin
      .multi()
      .hmget(key, ...SESSION_FIELDS)
      .pttl(key)
      .zscore(keyspace.dirty(partition), key)
      .hexists(keyspace.parked(partition), key)
      .exec();
    const [fields, ttlMs, dirtySinceUs, isParked] = (replies ?? []).map(
      ([, reply]) => reply,
    ) as CachedReplies;
    const held = sessionIn('read', fields);
    if (held.kind !== 'session') continue;
    const dirtySync = isParked ? 'parked' : dirtySinceUs === null ? 'forgotten' : 'dirty';
    cache.set(nameSession(ref), {
      version: BigInt(held.version),
      state: held.isTombstone ? null : hashJson(held.state),
      sync: held.isDirty ? dirtySync : 'clean',
      ttlMs,
    });
  }
  return cache;
}

/** The version of each session that is in Redis, by its name. */
export async function readHeldVersions(
  admin: World['admin'],
  keyspace: Keyspace,
): Promise<Map<string, bigint>> {
  const held = new Map<string, bigint>();
  const keys = await admin.keys(`${KEY_PREFIX}:{*}:s:*`);
  const headers = await Promise.all(keys.map((key) => admin.hget(key, SESSION_HASH.header)));
  for (const [i, key] of keys.entries()) {
    const header = parseHeader(headers[i] ?? '');
    const session = keyspace.parse(key);
    if (header && session) held.set(nameSession(session.ref), BigInt(header.version));
  }
  return held;
}

/** Loads every session as a bot would, so that those that left Redis are restored. */
export async function loadAll(
  { store, postgres }: World,
  sessions: readonly string[],
  historyFile: string,
): Promise<void> {
  const loader = createPostgresLoader({ databaseUrl: postgres.url, schema: SCHEMA });
  const client = recordHistory(
    createSessionClient({
      redis: store.urlFor('harness'),
      keyPrefix: KEY_PREFIX,
      partitions: PARTITIONS,
      loader,
    }),
    { file: historyFile, proc: 'final' },
  );
  for (const key of sessions) await client.getUserSession(refOf(key));
  await client.close();
  await loader.close();
}

/** Rows by session, and what those that are only updated have counted. */
export async function readRows(
  { pool }: World,
  sessions: readonly string[],
): Promise<{ rows: Map<string, Row>; counters: Map<string, number> }> {
  const { rows } = await pool.query<StoredRow>(
    `SELECT user_id, version::text AS version, state::text AS state, state->>'counter' AS counter
     FROM ${SCHEMA}.session`,
  );
  const counted = new Map(rows.map(({ user_id, counter }) => [user_id, Number(counter)]));
  return {
    rows: new Map(
      rows.map(({ user_id, version, state }) => [
        nameSession(refOf(user_id)),
        { version: BigInt(version), state: state === null ? null : hashJson(state) },
      ]),
    ),
    counters: new Map(
      sessions.filter(isCounter).map((session) => [nameSession(refOf(session)), counted.get(session) ?? 0]),
    ),
  };
}

/** @param stateOf hashes by name */
export async function readRowChanges(
  { pool }: World,
  stateOf: ReadonlyMap<string, string>,
): Promise<Map<string, RowChange[]>> {
  const { rows } = await pool.query<StoredChange>(
    `SELECT operation, user_id, version::text AS version, n, is_tombstone FROM ${SCHEMA}.row_history ORDER BY seq`,
  );
  const changes = new Map<string, RowChange[]>();
  for (const { operation, user_id, version, n, is_tombstone } of rows) {
    const session = nameSession(refOf(user_id));
    const ofSession = changes.get(session) ?? [];
    const state = is_tombstone ? null : stateOf.get(n);
    changes.set(session, [...ofSession, { operation, version: BigInt(version), state }]);
  }
  return changes;
}

export async function countConflicts({ pool }: World): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${SCHEMA}.session_conflict`,
  );
  return rows[0]?.count ?? 0;
}
