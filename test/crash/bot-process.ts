// A bot under load: many small concurrent clients that save, change, clear and load, and record the answers.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { hashState, recordHistory } from '@cauce/history';
import {
  createSessionClient,
  type Durability,
  DurabilityError,
  isCauceError,
  type LoaderCallOptions,
  type SaveReceipt,
  SaveUnknownError,
  type SessionClient,
  type SessionLoader,
  type SessionRef,
} from '@cauce/session-client';
import { createPostgresLoader } from '@cauce/session-client/postgres';
import { maybePause } from './buggify.ts';
import { nowUs, openHistory } from './history.ts';
import { type CrashState, makeState, type StateCore } from './session-state.ts';
import { isCounter, KEY_PREFIX, PARTITIONS, pickSession, refOf, SCHEMA } from './sessions.ts';
import { tell, watchReplies } from './watch-replies.ts';

type Client = SessionClient<CrashState>;

const proc = setting('CRASH_PROC');
const historyFile = setting('CRASH_HISTORY');
const startedUs = Number(setting('CRASH_STARTED_US'));
const replicaShare = Number(setting('CRASH_REPLICA_SHARE'));
const postgresShare = Number(setting('CRASH_POSTGRES_SHARE'));
const WORKERS_PER_CLIENT = 8;
const MAX_THINK_MS = 60;
/** The client's own five seconds, and some for a busy machine. */
const LOADER_REST_US = 5_200_000;
const COMMAND_TIMEOUT_MS = 700;
/** No fault lasts so long: a client to which nothing succeeds has not come back. */
const LONGEST_OUTAGE_MS = 75_000;

watchReplies();
const history = openHistory(historyFile);
const postgres = createPostgresLoader({
  databaseUrl: setting('DATABASE_URL'),
  schema: SCHEMA,
  timeoutMs: 1500,
});
const loader: SessionLoader = {
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
    createSessionClient<CrashState>({
      redis: setting('REDIS_URL'),
      keyPrefix: KEY_PREFIX,
      partitions: PARTITIONS,
      sessionTtlSeconds: 1,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      leaseTtlMs,
      loader,
    }),
    { file: historyFile, proc },
  ),
);

/** A client that could not ask PostgreSQL gives what Redis has, and does not ask again for five seconds. */
async function loadRows(refs: readonly SessionRef[], options: LoaderCallOptions) {
  const sinceUs = nowUs();
  try {
    return await postgres.load(refs, options);
  } catch (error) {
    history.unanswered({ proc, sinceUs, untilUs: nowUs() + LOADER_REST_US });
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

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is missing`);
  return value;
}

async function work(client: Client): Promise<void> {
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

function act(client: Client, key: string): Promise<boolean> {
  const dice = Math.random();
  if (dice < 0.42) return load(client, key);
  if (isCounter(key) || dice > 0.84) return update(client, key);
  if (dice < 0.48) return saveOver(client, key, '0');
  if (dice < 0.52) return saveOverLoaded(client, key);
  return write(client, dice < 0.66 ? 'save' : 'clear', key);
}

/** On the condition that nobody saves meanwhile. */
async function saveOverLoaded(client: Client, key: string): Promise<boolean> {
  try {
    const loaded = await client.getUserSession(refOf(key));
    await maybePause(0.5, 250);
    return await saveOver(client, key, loaded?.version ?? '0');
  } catch (error) {
    return failed(error);
  }
}

async function saveOver(client: Client, key: string, ifVersion: string): Promise<boolean> {
  const isOk = await write(client, 'save', key, ifVersion);
  if (isOk && ifVersion === '0') tell('session created');
  return isOk;
}

async function load(client: Client, key: string): Promise<boolean> {
  try {
    await client.getUserSession(refOf(key));
    return true;
  } catch (error) {
    return failed(error);
  }
}

async function update(client: Client, key: string): Promise<boolean> {
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

/**
 * A save or clear, with an op id of its own or with the client's. One without an answer is mostly repeated with the same op
 * id, some others are too.
 */
async function write(
  client: Client,
  op: 'save' | 'clear',
  key: string,
  ifVersion?: string,
): Promise<boolean> {
  let opId = Math.random() < 0.5 ? randomBytes(9).toString('base64url') : undefined;
  const state = op === 'save' ? make({ n: nextName(), counter: 0, base: null }) : undefined;
  const durability = pickDurability();
  const send = () =>
    state === undefined
      ? client.clearUserState(refOf(key), { opId, durability })
      : client.saveUserState(refOf(key), state, { opId, durability, ifVersion });
  for (let attempt = 1; ; attempt++) {
    try {
      const receipt = await send();
      opId = receipt.opId;
      tellOfDurability(receipt);
      if (attempt > 1 || Math.random() >= 0.02) return true;
    } catch (error) {
      if (attempt > 3 || !isWorthRepeating(error) || Math.random() < 0.3) return failed(error);
      opId = error instanceof DurabilityError ? error.receipt.opId : error.opId;
      await delay(50 + Math.random() * 400);
    }
  }
}

function pickDurability(): Durability {
  const dice = Math.random();
  if (dice < replicaShare) return 'replica';
  return dice < replicaShare + postgresShare ? 'postgres' : 'memory';
}

function tellOfDurability({ durability }: SaveReceipt): void {
  if (durability === 'replica') tell('save replicated');
  if (durability === 'postgres') tell('save committed through');
}

function nextName(): string {
  return `${proc}-${named++}`;
}

function make(core: StateCore): CrashState {
  const state = makeState(core);
  history.made({ n: core.n, state: hashState(state) });
  return state;
}

/** What the client's documentation does not announce ends the bot, and so fails the run. */
function failed(error: unknown): false {
  if (!isCauceError(error)) throw error;
  return false;
}

/** The same op id saves nothing twice, and waits again. */
function isWorthRepeating(error: unknown): error is DurabilityError | SaveUnknownError {
  if (error instanceof DurabilityError) return true;
  if (!(error instanceof SaveUnknownError && error.retryable)) return false;
  if (error.failure.reason === 'TIMEOUT') tell('half-open connection given up');
  return true;
}
