import {
  createKeyspace,
  createScripts,
  openRedis,
  type SaveReply,
  type SettleSession,
  type Version,
} from '@cauce/protocol';
import type { Servers } from '../servers.ts';
import type { States } from './states.ts';
import { refOf } from './users.ts';

const MAX_STATE_BYTES = 262_144;
const CONCURRENCY = 4;
const SAVES_IN_A_CALL = 50;
const SETTLE_SESSIONS = 250;
const SESSION_TTL_MS = 3_600_000;
const TIMEOUT_MS = 30_000;

/** A session that was saved, as it is settled. */
export type Saved = SettleSession & { readonly partition: number };

/**
 * Makes many sessions quickly, through the scripts and past the client. Partitions have to be open: a consumer has
 * started.
 */
export async function openFill({ redisUrl }: Pick<Servers, 'redisUrl'>) {
  const keyspace = createKeyspace();
  const connection = openRedis(redisUrl, {
    connectionName: 'bench',
    answerTimeoutMs: TIMEOUT_MS,
    onError: () => {},
  });
  await connection.ready(TIMEOUT_MS);
  const scripts = createScripts({ redis: connection.redis, keyspace }, { timeoutMs: TIMEOUT_MS });
  let operations = 0;

  async function saveSome(users: readonly number[], states: States): Promise<Saved[]> {
    const saves = users.map((user) => ({
      session: keyspace.locate(refOf(user)),
      state: states.nth(user + operations).json,
      isTombstone: false,
      opId: `f${operations++}`,
    }));
    const replies = await scripts.save(saves, { maxBytes: MAX_STATE_BYTES });
    return saves.map(({ session }, i) => {
      const { partition, key } = session;
      return { partition, key, written: versionIn(replies[i]), eventIds: [] };
    });
  }

  /** Saves a state for every user, and gives what was saved to `receive`. */
  async function saveAll(
    users: Iterable<number>,
    states: States,
    receive: (saved: readonly Saved[]) => void = () => {},
  ): Promise<void> {
    const queue = users[Symbol.iterator]();
    const worker = async () => {
      for (let some = takeSome(queue); some.length > 0; some = takeSome(queue)) {
        receive(await saveSome(some, states));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  /** As if a consumer had synced them. */
  async function settle(saved: readonly Saved[]): Promise<void> {
    await Promise.all(
      [...groupByPartition(saved)].map(async ([partition, sessions]) => {
        for (let i = 0; i < sessions.length; i += SETTLE_SESSIONS) {
          await scripts.settle(partition, sessions.slice(i, i + SETTLE_SESSIONS), {
            ttlMs: SESSION_TTL_MS,
            takenAtUs: '0',
          });
        }
      }),
    );
  }

  return {
    keyspace,
    settle,
    saveDirty: (users: Iterable<number>, states: States) => saveAll(users, states),
    async saveClean(users: Iterable<number>, states: States): Promise<void> {
      const saved: Saved[] = [];
      await saveAll(users, states, (some) => saved.push(...some));
      await settle(saved);
    },
    close: () => connection.close(),
  };
}

/** @throws Error when the save was not done */
function versionIn(reply: SaveReply | undefined): Version {
  if (reply?.outcome !== 'saved') throw new Error(`a session was not saved: ${reply?.outcome}`);
  return reply.version;
}

function takeSome(queue: Iterator<number>): number[] {
  const some: number[] = [];
  while (some.length < SAVES_IN_A_CALL) {
    const { value, done } = queue.next();
    if (done) break;
    some.push(value);
  }
  return some;
}

function groupByPartition(saved: readonly Saved[]): Map<number, Saved[]> {
  const groups = new Map<number, Saved[]>();
  for (const session of saved) {
    const group = groups.get(session.partition);
    if (group) group.push(session);
    else groups.set(session.partition, [session]);
  }
  return groups;
}

export function* range(start: number, end: number): Generator<number> {
  for (let i = start; i < end; i++) yield i;
}
