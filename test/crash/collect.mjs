// What the stores hold after a run, in the checker's terms.
import { setTimeout as delay } from 'node:timers/promises';
import { createSessionClient } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { openHistory } from './history.mjs';
import { retryRefused } from './refusals.mjs';
import { describeState } from './session-state.mjs';
import { KEY_PREFIX, PARTITIONS, refOf, SCHEMA } from './sessions.mjs';

const DRAIN_LIMIT_MS = 30_000;

/** Waits until nothing is dirty and nothing is announced. */
export async function drain(world) {
  const startedMs = performance.now();
  for (;;) {
    if ((await world.countParked()) > 0) await retryRefused(world);
    const stillDirty = (await world.countDirty()) || (await world.countEvents());
    const drainMs = Math.round(performance.now() - startedMs);
    if (stillDirty === 0 || drainMs > DRAIN_LIMIT_MS) return { stillDirty, drainMs };
    await delay(20);
  }
}

export async function readCache({ admin, keyspace }, sessions) {
  const cache = new Map();
  for (const session of sessions) {
    const { key } = keyspace.locate(refOf(session));
    const [[, fields], [, ttlMs]] = await admin.multi().hgetall(key).pttl(key).exec();
    if (fields.v === undefined) continue;
    cache.set(session, {
      version: BigInt(fields.v),
      found: fields.t === '1' ? null : describeState(JSON.parse(fields.s)),
      isDirty: fields.d !== '0',
      ttlMs,
    });
  }
  return cache;
}

/** Loads every session as a bot would, so that those that left Redis are restored. */
export async function loadAll({ redis, postgres }, sessions, historyFile) {
  const history = openHistory(historyFile, 'final');
  const loader = createPostgresLoader({ databaseUrl: postgres.url, schema: SCHEMA });
  const client = createSessionClient({
    redis: redis.url,
    keyPrefix: KEY_PREFIX,
    partitions: PARTITIONS,
    loader,
  });
  for (const key of sessions) {
    const call = { op: 'load', key, n: history.nextName() };
    history.call(call);
    const session = await client.getUserSession(refOf(key));
    history.done({ ...call, outcome: 'ok', version: session?.version, found: describeState(session?.state) });
  }
  history.close();
  await client.close();
  await loader.close();
}

export async function readRows({ pool }) {
  const { rows } = await pool.query(`SELECT user_id, version::text AS version, state FROM ${SCHEMA}.session`);
  return new Map(
    rows.map(({ user_id, version, state }) => [
      user_id,
      { version: BigInt(version), found: describeState(state) },
    ]),
  );
}

export async function readRowChanges({ pool }) {
  const { rows } = await pool.query(
    `SELECT operation, user_id, version::text AS version, n, is_tombstone FROM ${SCHEMA}.row_history ORDER BY seq`,
  );
  const changes = new Map();
  for (const { operation, user_id, version, n, is_tombstone } of rows) {
    if (!changes.has(user_id)) changes.set(user_id, []);
    changes.get(user_id).push({ operation, version: BigInt(version), n, isTombstone: is_tombstone });
  }
  return changes;
}

export async function countConflicts({ pool }) {
  const { rows } = await pool.query(`SELECT count(*)::int AS count FROM ${SCHEMA}.session_conflict`);
  return rows[0].count;
}
