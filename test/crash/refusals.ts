// A constraint that some rows, or all, do not meet: what a bad row or a bad migration looks like to the consumer.
// One table decides what is refused, so that the constraint comes and goes without locking the sessions.

import { setTimeout as delay } from 'node:timers/promises';
import { listParked, type ParkedSession, queriesOf, retryParked, syncOptionsOf } from '@cauce/admin';
import { createScripts, hostClocks, isCauceError, openRedis } from '@cauce/protocol';
import { completeSettings } from '@cauce/sync-consumer';
import { saveCrowd } from './crowd.ts';
import type { FaultContext } from './faults/fault.ts';
import { nowUs } from './history.ts';
import { between, type Random } from './random.ts';
import { KEY_PREFIX, PARTITIONS, SCHEMA } from './sessions.ts';
import type { World } from './world.ts';

const SQL_STATE = '23514';
const ALL = 128;
/** Of 128. With the hash of a session and a salt, so that others are hit each time. */
const SOME = 10;
/** A breaker lets at most so many rows be parked in a minute: 5 % of the 1,000 it counts. */
const MOST_PARKED_BY_ONE = 50;
const LONGEST_MS = 5000;
const RETRY_LIMIT_MS = 5000;
const RECORDED_LATE_SECONDS = 20;

export const REFUSALS = `
  CREATE SEQUENCE ${SCHEMA}.refusals;
  CREATE TABLE ${SCHEMA}.refusal (share int, salt text, started_at timestamptz DEFAULT clock_timestamp(), ended_at timestamptz);
  CREATE FUNCTION ${SCHEMA}.refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF EXISTS (
      SELECT FROM ${SCHEMA}.refusal
      WHERE ended_at IS NULL AND (hashtext(salt || new.user_id) & 127) < share
    ) THEN
      -- What a sequence counts stays counted when the statement is rolled back.
      PERFORM nextval('${SCHEMA}.refusals');
      RAISE EXCEPTION 'the harness refuses this row' USING ERRCODE = '${SQL_STATE}';
    END IF;
    RETURN new;
  END $$;
  CREATE TRIGGER refuse_row BEFORE INSERT ON ${SCHEMA}.session
  FOR EACH ROW EXECUTE FUNCTION ${SCHEMA}.refuse_row();`;

/** Rows with a certain hash, until some were refused and a while has passed. Their neighbours must not be parked. */
export async function refuseSome({ world, random }: FaultContext): Promise<void> {
  await refuse(world, SOME, random);
  await untilRefused(world, 3, between(random, 1000, 2500));
  await accept(world);
  await retryRefused(world);
}

/** Every row, with many more waiting than a breaker lets be parked. @throws when more were parked */
export async function refuseAll({ world, random }: FaultContext): Promise<void> {
  const before = { parked: await world.countParked(), started: world.consumers.started };
  await refuse(world, ALL, random);
  await saveCrowd(world, `crowd-${nowUs()}`);
  await untilRefused(world, world.consumers.size * MOST_PARKED_BY_ONE, between(random, 1000, 2000));
  const parked = (await world.countParked()) - before.parked;
  const consumers = world.consumers.size + world.consumers.started - before.started;
  await accept(world);
  await retryRefused(world);
  if (parked > consumers * MOST_PARKED_BY_ONE)
    throw new Error(`${consumers} consumers parked ${parked} sessions: the breaker did not open`);
}

/**
 * Tries again what was refused, as `cauce parked retry --all` does. What it cannot do while something else is broken
 * is left to the end of the run. Sessions that were parked for any other reason are remembered: an outage parks
 * nothing (P9).
 */
export async function retryRefused(world: World): Promise<void> {
  const { store, pool, keyspace } = world;
  const settings = completeSettings({
    SESSION_KEY_PREFIX: KEY_PREFIX,
    SESSION_PARTITIONS: PARTITIONS,
    SESSION_DB_SCHEMA: SCHEMA,
    SESSION_TTL: 1,
  });
  const options = syncOptionsOf(settings);
  const connection = openRedis(store.urlFor('consumers'), {
    connectionName: 'crash-retry',
    answerTimeoutMs: 2000,
    onError: () => {},
  });
  const deps = {
    ...hostClocks,
    redis: connection.redis,
    keyspace,
    scripts: createScripts({ redis: connection.redis, keyspace }, { timeoutMs: 2000 }),
    queries: queriesOf(pool, settings),
  };
  try {
    await connection.ready(RETRY_LIMIT_MS);
    const { sessions } = await listParked(deps);
    const isOurs = ({ record }: ParkedSession) => record?.sqlState === SQL_STATE;
    const ours = sessions.filter(isOurs);
    const others = sessions.filter((one) => !isOurs(one)).map(({ ref }) => ref.userId);
    for (const user of [...others, ...(await findInnocent(world, ours))]) world.parkedWrongly.add(user);
    const signal = AbortSignal.timeout(RETRY_LIMIT_MS);
    const retried = await retryParked(deps, { ...options, patienceMs: RETRY_LIMIT_MS, signal });
    world.see('parked row retried', retried.sessions.length);
  } catch (error) {
    world.see(`retry of parked rows failed: ${isCauceError(error) ? error.code : String(error)}`);
  } finally {
    await connection.close();
  }
}

async function refuse({ pool }: World, share: number, random: Random): Promise<void> {
  await pool.query(`SELECT setval('${SCHEMA}.refusals', 1, false)`);
  await pool.query(`INSERT INTO ${SCHEMA}.refusal (share, salt) VALUES ($1, $2)`, [
    share,
    String(between(random, 0, 999)),
  ]);
}

async function accept({ pool }: World): Promise<void> {
  await pool.query(`UPDATE ${SCHEMA}.refusal SET ended_at = now() WHERE ended_at IS NULL`);
}

/** Those whose rows were not refused when they were parked: only neighbours were. A refusal may be recorded late. */
async function findInnocent({ pool }: World, sessions: readonly ParkedSession[]): Promise<string[]> {
  const { rows } = await pool.query<{ user_id: string }>(
    `SELECT user_id FROM unnest($1::text[], $2::bigint[]) AS parked (user_id, last_seen_ms)
     WHERE NOT EXISTS (
       SELECT FROM ${SCHEMA}.refusal
       WHERE to_timestamp(last_seen_ms / 1e3) BETWEEN started_at
         AND coalesce(ended_at, now()) + interval '${RECORDED_LATE_SECONDS} s'
         AND (hashtext(salt || user_id) & 127) < share
     )`,
    [sessions.map(({ ref }) => ref.userId), sessions.map(({ record }) => record?.lastSeenMs)],
  );
  return rows.map(({ user_id }) => user_id);
}

/** Consumers may be cut off or asleep meanwhile: then it takes longer, but not for ever. */
async function untilRefused({ pool }: World, count: number, atLeastMs: number): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    await delay(100);
    const passedMs = performance.now() - startedMs;
    if (passedMs > LONGEST_MS) return;
    if (passedMs < atLeastMs) continue;
    const { rows } = await pool.query<{ refused: number }>(
      `SELECT CASE WHEN is_called THEN last_value::int ELSE 0 END AS refused FROM ${SCHEMA}.refusals`,
    );
    if ((rows[0]?.refused ?? 0) >= count) return;
  }
}
