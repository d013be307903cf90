import { decodeEvent, type StreamEntry, SYNC_GROUP, type Version } from '@cauce/protocol';
import { type CountingRedis, startCountingRedis } from '../measure/callgrind.ts';
import { type Bot, openBot } from './bot.ts';
import { recordScriptCalls } from './record-script-calls.ts';

const USERS = 2000;
const CALLS = 200;
const TTL_MS = 3_600_000;

/** What Redis executes for one save, or for one session. */
export interface InstructionCount {
  readonly what: string;
  readonly instructions: number;
}

export interface InstructionCounts {
  readonly redisVersion: string;
  readonly counts: readonly InstructionCount[];
}

type Call = (users: readonly number[]) => Promise<unknown>;

/**
 * Counts the instructions Redis executes for a save of `stateBytes`, beside a bare `SET` and a script that does nothing;
 * for saves that share a call, and for saves that do not; and for what a consumer asks of it.
 */
export async function countInstructions({
  stateBytes,
  together,
}: {
  readonly stateBytes: number;
  /** Saves in one turn of the event loop. */
  readonly together: number;
}): Promise<InstructionCounts> {
  const redis = await startCountingRedis();
  const bot = await openBot(redis.server.url, { stateBytes });
  try {
    const counts = [
      ...(await countSaves(redis, bot, together)),
      ...(await countSaves(redis, bot, 1)),
      ...(await countSync(redis, bot, together)),
    ];
    return { redisVersion: redis.server.version, counts };
  } finally {
    await bot.close();
    await redis.stop();
  }
}

async function countSaves(redis: CountingRedis, bot: Bot, together: number): Promise<InstructionCount[]> {
  const label = together === 1 ? 'one a call' : `${together} a call`;
  const count = async (what: string, call: Call): Promise<InstructionCount> => {
    const instructions = await redis.count(() => callForUsers(call, { calls: CALLS, together }));
    return { what: `${what}, ${label}`, instructions: instructions / CALLS / together };
  };
  const contenders = [
    { what: 'SET', call: forEach(bot.set) },
    { what: 'MULTI SET + XADD', call: forEach(bot.setAndAnnounce) },
    { what: 'saveUserState of a changed session', call: forEach(bot.save) },
    { what: 'getUserState', call: forEach(bot.load) },
  ];
  // Everybody has a session before it counts, and it is changed.
  for (const { call } of contenders) {
    await callForUsers(call, { calls: Math.ceil(USERS / together), together });
  }
  const counts: InstructionCount[] = [];
  for (const { what, call } of contenders) counts.push(await count(what, call));
  return [
    ...counts,
    await count('a script that does nothing, called as a save', await emptySave(bot, together)),
  ];
}

/** Calls a script that does nothing with the keys and arguments of the saves of a call. */
async function emptySave({ redis, save }: Bot, together: number): Promise<Call> {
  const [recorded, ...others] = await recordScriptCalls(redis, () => forEach(save)(usersFrom(0, together)));
  if (!recorded || others.length > 0) throw new Error(`${together} saves did not leave in one call`);
  const [keyCount = 0, ...keysAndArguments] = recorded;
  const sha = String(await redis.script('LOAD', "return ''"));
  return () => redis.evalsha(sha, Number(keyCount), ...keysAndArguments);
}

/** What a consumer asks of Redis for each session, but for PostgreSQL; and a save after it. */
async function countSync(redis: CountingRedis, bot: Bot, together: number): Promise<InstructionCount[]> {
  const { scripts, keyspace } = bot;
  const partitions = Array.from({ length: keyspace.partitions }, (_, partition) => partition);
  const perSession = async (what: string, work: (partition: number) => Promise<void>) => {
    const instructions = await redis.count(async () => {
      for (const partition of partitions) await work(partition);
    });
    return { what, instructions: instructions / USERS };
  };
  for (const partition of partitions) {
    await bot.redis.xgroup('CREATE', keyspace.changes(partition), SYNC_GROUP, '0', 'MKSTREAM');
  }
  const events = new Map<number, Map<string, string[]>>();
  const versions = new Map<string, Version>();
  let takenAtUs = '0';
  const reading = await perSession('XREADGROUP, a session', async (partition) => {
    events.set(partition, await readEvents(bot, partition));
  });
  const taking = await perSession('take, a session', async (partition) => {
    const keys = [...(events.get(partition)?.keys() ?? [])];
    const reply = await scripts.take(partition, keys);
    takenAtUs = reply.takenAtUs;
    for (const [i, key] of keys.entries()) {
      const taken = reply.taken[i];
      if (taken?.outcome === 'dirty') versions.set(key, taken.version);
    }
  });
  if (versions.size !== USERS) throw new Error(`${versions.size} sessions were taken, not ${USERS}`);
  const settling = await perSession('settle, a session', async (partition) => {
    const sessions = [...(events.get(partition) ?? [])].map(([key, eventIds]) => ({
      ...{ key, eventIds, written: versions.get(key) },
    }));
    await scripts.settle(partition, sessions, { ttlMs: TTL_MS, takenAtUs });
  });
  const saving = await redis.count(() => callForUsers(forEach(bot.save), { calls: CALLS, together }));
  return [
    {
      what: `saveUserState of a synced session, ${together} a call`,
      instructions: saving / CALLS / together,
    },
    ...[reading, taking, settling],
  ];
}

/** Ids of events by the key of their session. */
async function readEvents({ redis, keyspace }: Bot, partition: number): Promise<Map<string, string[]>> {
  const reply = await redis.xreadgroup(
    ...(['GROUP', SYNC_GROUP, 'bench', 'COUNT', USERS, 'STREAMS', keyspace.changes(partition), '>'] as const),
  );
  const [[, entries] = ['', []]] = (reply ?? []) as [stream: string, entries: StreamEntry[]][];
  const ids = new Map<string, string[]>();
  for (const entry of entries) {
    const decoded = decodeEvent(keyspace, partition, entry);
    if (!decoded.ok) continue;
    const { id, session } = decoded.event;
    ids.set(session.key, [...(ids.get(session.key) ?? []), id]);
  }
  return ids;
}

const forEach =
  (call: (user: number) => Promise<unknown>): Call =>
  (users) =>
    Promise.all(users.map(call));

async function callForUsers(
  call: Call,
  { calls, together }: { readonly calls: number; readonly together: number },
): Promise<void> {
  for (let i = 0; i < calls; i++) await call(usersFrom(i * together, together));
}

function usersFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (first + i) % USERS);
}
