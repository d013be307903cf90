// A bot under load: many small concurrent clients that save, change, clear and load, and record what they were told.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createSessionClient, isCauceError, SaveUnknownError } from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { maybePause } from './buggify.mjs';
import { openHistory } from './history.mjs';
import { describeState, makeState } from './session-state.mjs';
import { isCounter, KEY_PREFIX, PARTITIONS, pickSession, refOf, SCHEMA } from './sessions.mjs';
import { tell, watchReplies } from './watch-replies.mjs';

const { CRASH_PROC, CRASH_HISTORY, CRASH_STARTED_US, REDIS_URL, DATABASE_URL } = process.env;
const WORKERS_PER_CLIENT = 8;
const MAX_THINK_MS = 60;
const COMMAND_TIMEOUT_MS = 700;

watchReplies();
const startedUs = Number(CRASH_STARTED_US);
const history = openHistory(CRASH_HISTORY, CRASH_PROC);
const postgres = createPostgresLoader({ databaseUrl: DATABASE_URL, schema: SCHEMA, timeoutMs: 1500 });
const loader = {
  async load(refs, options) {
    const rows = await postgres.load(refs, options);
    await maybePause(0.3, 400);
    return rows;
  },
};
// The second one's leases expire within the pauses.
const clients = [10_000, 300].map((leaseTtlMs) =>
  createSessionClient({
    redis: REDIS_URL,
    keyPrefix: KEY_PREFIX,
    partitions: PARTITIONS,
    sessionTtlSeconds: 1,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    leaseTtlMs,
    loader,
  }),
);

let isStopping = false;
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
  while (!isStopping) {
    const key = pickSession(Math.random, startedUs);
    const isOk = await act(client, key);
    await delay(Math.random() * MAX_THINK_MS + (isOk ? 0 : 50));
  }
}

function act(client, key) {
  const dice = Math.random();
  if (dice < 0.42) return load(client, key);
  if (isCounter(key) || dice > 0.84) return update(client, key);
  return write(client, dice < 0.64 ? 'save' : 'clear', key);
}

async function load(client, key) {
  const call = { op: 'load', key, n: history.nextName() };
  history.call(call);
  try {
    const session = await client.getUserSession(refOf(key));
    history.done({ ...call, outcome: 'ok', version: session?.version, found: describeState(session?.state) });
    return true;
  } catch (error) {
    refuseBugs(error);
    history.done({ ...call, outcome: 'fail', code: error.code });
    return false;
  }
}

async function update(client, key) {
  const call = { op: 'update', key, n: history.nextName() };
  history.call(call);
  try {
    const { version } = await client.updateUserState(refOf(key), (state) => {
      const core = { n: call.n, counter: (state?.counter ?? 0) + 1, base: state?.n ?? null };
      history.attempt({ ...core });
      return makeState(core);
    });
    history.done({ ...call, outcome: 'ok', version });
    return true;
  } catch (error) {
    return failed(call, error, isUnknown(error));
  }
}

/** A save or clear. One without an answer is mostly repeated with the same op id, some others are too. */
async function write(client, op, key) {
  const call = { op, key, n: history.nextName(), opId: randomBytes(9).toString('base64url') };
  const send = () =>
    op === 'clear'
      ? client.clearUserState(refOf(key), { opId: call.opId })
      : client.saveUserState(refOf(key), makeState({ n: call.n, counter: 0, base: null }), {
          opId: call.opId,
        });
  history.call(call);
  let maybeSaved = false;
  let replayOf;
  for (let attempt = 1; ; attempt++) {
    try {
      const { version, isReplay } = await send();
      if (attempt === 1 && Math.random() < 0.02) {
        replayOf = version;
        history.again(call);
        continue;
      }
      history.done({ ...call, outcome: 'ok', version, ...(isReplay && replayOf ? { replayOf } : {}) });
      return true;
    } catch (error) {
      maybeSaved ||= isUnknown(error) || replayOf !== undefined;
      if (attempt > 3 || !isUnknown(error) || Math.random() < 0.3) return failed(call, error, maybeSaved);
      await delay(50 + Math.random() * 400);
      history.again(call);
    }
  }
}

function failed(call, error, maybeSaved) {
  refuseBugs(error);
  history.done({ ...call, outcome: maybeSaved ? 'unknown' : 'fail', code: error.code });
  return false;
}

function isUnknown(error) {
  if (!(error instanceof SaveUnknownError)) return false;
  if (error.failure.reason === 'TIMEOUT') tell('half-open connection given up');
  return true;
}

/** What the client's documentation does not announce ends the bot, and so fails the run. */
function refuseBugs(error) {
  if (!isCauceError(error)) throw error;
}
