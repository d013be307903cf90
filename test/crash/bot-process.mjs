// A bot under load: many small concurrent clients that save, change, clear and load, and record what they were told.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { hashState, recordHistory } from '@cauce/history';
import { createSessionClient, isCauceError, SaveUnknownError } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { maybePause } from './buggify.mjs';
import { nowUs, openHistory } from './history.mjs';
import { makeState } from './session-state.mjs';
import { isCounter, KEY_PREFIX, PARTITIONS, pickSession, refOf, SCHEMA } from './sessions.mjs';
import { tell, watchReplies } from './watch-replies.mjs';

const { CRASH_PROC, CRASH_HISTORY, CRASH_STARTED_US, REDIS_URL, DATABASE_URL } = process.env;
const replicaShare = Number(process.env.CRASH_REPLICA_SHARE);
const postgresShare = Number(process.env.CRASH_POSTGRES_SHARE);
const WORKERS_PER_CLIENT = 8;
const MAX_THINK_MS = 60;
/** The client's own five seconds, and some for a busy machine. */
const LOADER_REST_US = 5_200_000;
const COMMAND_TIMEOUT_MS = 700;
/** No fault lasts so long: a client to which nothing succeeds has not come back. */
const LONGEST_OUTAGE_MS = 75_000;

watchReplies();
const startedUs = Number(CRASH_STARTED_US);
const history = openHistory(CRASH_HISTORY);
const postgres = createPostgresLoader({ databaseUrl: DATABASE_URL, schema: SCHEMA, timeoutMs: 1500 });
const loader = {
  async load(refs, options) {
    const rows = await loadRows(refs, options);
    await maybePause(0.3, 400);
    return rows;
  },
  write: (...row) => postgres.write(...row),
};
// The second one's leases expire within the pauses.
const clients = [10_000, 300].map((leaseTtlMs) =>
  recordHistory(
    createSessionClient({
      redis: REDIS_URL,
      keyPrefix: KEY_PREFIX,
      partitions: PARTITIONS,
      sessionTtlSeconds: 1,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      leaseTtlMs,
      loader,
    }),
    { file: CRASH_HISTORY, proc: CRASH_PROC },
  ),
);

/** A client that could not ask PostgreSQL gives what Redis has, and does not ask again for five seconds. */
async function loadRows(refs, options) {
  const sinceUs = nowUs();
  try {
    return await postgres.load(refs, options);
  } catch (error) {
    history.unanswered({ proc: CRASH_PROC, sinceUs, untilUs: nowUs() + LOADER_REST_US });
    throw error;
  }
}

let isStopping = false;
let named = 0;
process.on('SIGTERM', () => {
  isStopping = true;
});
await Promise.all(
  clients.flatMap((client) => Array.from({ length: WORKERS_PER_CLIENT }, () => work(client))),
);
await Promise.all(clients.map((client) => client.close()));
await postgres.close();
history.close();

async function work(client) {
  let succeededMs = performance.now();
  while (!isStopping) {
    const key = pickSession(Math.random, startedUs);
    const isOk = await act(client, key);
    if (isOk) succeededMs = performance.now();
    else if (performance.now() - succeededMs > LONGEST_OUTAGE_MS)
      throw new Error(`nothing has succeeded for ${LONGEST_OUTAGE_MS} ms`);
    await delay(Math.random() * MAX_THINK_MS + (isOk ? 0 : 50));
  }
}

function act(client, key) {
  const dice = Math.random();
  if (dice < 0.42) return load(client, key);
  if (isCounter(key) || dice > 0.84) return update(client, key);
  if (dice < 0.48) return saveOver(client, key, '0');
  if (dice < 0.52) return saveOverLoaded(client, key);
  return write(client, dice < 0.66 ? 'save' : 'clear', key);
}

/** On the condition that nobody saves meanwhile. */
async function saveOverLoaded(client, key) {
  try {
    const loaded = await client.getUserSession(refOf(key));
    await maybePause(0.5, 250);
    return await saveOver(client, key, loaded?.version ?? '0');
  } catch (error) {
    return failed(error);
  }
}

async function saveOver(client, key, ifVersion) {
  const isOk = await write(client, 'save', key, ifVersion);
  if (isOk && ifVersion === '0') tell('session created');
  return isOk;
}

async function load(client, key) {
  try {
    await client.getUserSession(refOf(key));
    return true;
  } catch (error) {
    return failed(error);
  }
}

async function update(client, key) {
  const n = nextName();
  try {
    const receipt = await client.updateUserState(
      refOf(key),
      async (state) => {
        // Meanwhile others save the session, and it is synced and evicted.
        await maybePause(0.2, 250);
        return make({ n, counter: (state?.counter ?? 0) + 1, base: state?.n ?? null });
      },
      { durability: pickDurability() },
    );
    tellOfDurability(receipt);
    return true;
  } catch (error) {
    return failed(error);
  }
}

/** A save or clear. One without an answer is mostly repeated with the same op id, some others are too. */
async function write(client, op, key, ifVersion) {
  const opId = randomBytes(9).toString('base64url');
  const state = op === 'save' ? make({ n: nextName(), counter: 0, base: null }) : undefined;
  const durability = pickDurability();
  const send = () =>
    op === 'clear'
      ? client.clearUserState(refOf(key), { opId, durability })
      : client.saveUserState(refOf(key), state, { opId, durability, ifVersion });
  for (let attempt = 1; ; attempt++) {
    try {
      tellOfDurability(await send());
      if (attempt > 1 || Math.random() >= 0.02) return true;
    } catch (error) {
      if (attempt > 3 || !isWorthRepeating(error) || Math.random() < 0.3) return failed(error);
      await delay(50 + Math.random() * 400);
    }
  }
}

function pickDurability() {
  const dice = Math.random();
  if (dice < replicaShare) return 'replica';
  return dice < replicaShare + postgresShare ? 'postgres' : 'memory';
}

function tellOfDurability({ durability }) {
  if (durability === 'replica') tell('save replicated');
  if (durability === 'postgres') tell('save committed through');
}

function nextName() {
  return `${CRASH_PROC}-${named++}`;
}

function make(core) {
  const state = makeState(core);
  history.made({ n: core.n, state: hashState(state) });
  return state;
}

/** What the client's documentation does not announce ends the bot, and so fails the run. */
function failed(error) {
  if (!isCauceError(error)) throw error;
  return false;
}

/** The same op id saves nothing twice, and waits again. */
function isWorthRepeating(error) {
  if (error.code === 'NOT_DURABLE') return true;
  if (!(error instanceof SaveUnknownError && error.retryable)) return false;
  if (error.failure.reason === 'TIMEOUT') tell('half-open connection given up');
  return true;
}
