import { createKeyspace, createScripts, openRedis } from '@cauce/protocol';
import { refOf } from './users.mjs';

const MAX_STATE_BYTES = 262_144;
const CONCURRENCY = 256;
const SETTLE_SESSIONS = 250;
const SESSION_TTL_MS = 3_600_000;
const TIMEOUT_MS = 30_000;

/**
 * Makes many sessions quickly, through the scripts and past the client. Partitions have to be open: a consumer has
 * started.
 */
export async function openFill({ redisUrl }) {
  const keyspace = createKeyspace();
  const connection = openRedis(redisUrl, {
    connectionName: 'bench',
    answerTimeoutMs: TIMEOUT_MS,
    onError: () => {},
  });
  await connection.ready(TIMEOUT_MS);
  const scripts = createScripts({ redis: connection.redis, keyspace }, { timeoutMs: TIMEOUT_MS });
  let operations = 0;

  async function saveOne(user, { json }) {
    const session = keyspace.locate(refOf(user));
    const save = { session, state: json, isTombstone: false, opId: `f${operations++}` };
    const [{ version }] = await scripts.save([save], { maxBytes: MAX_STATE_BYTES });
    return { partition: session.partition, key: session.key, written: version, eventIds: [] };
  }

  /** Calls `each(user, state)` for every user, many at a time. */
  async function forUsers(users, states, each) {
    const queue = users[Symbol.iterator]();
    const worker = async () => {
      for (let next = queue.next(); !next.done; next = queue.next()) {
        await each(next.value, states[(next.value + operations) % states.length]);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  /** As if a consumer had carried them. */
  async function settle(saved) {
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
    saveDirty: (users, states) => forUsers(users, states, saveOne),
    async saveClean(users, states) {
      const saved = [];
      await forUsers(users, states, async (user, state) => saved.push(await saveOne(user, state)));
      await settle(saved);
    },
    close: () => connection.close(),
  };
}

function groupByPartition(saved) {
  const groups = new Map();
  for (const session of saved) {
    const group = groups.get(session.partition);
    if (group) group.push(session);
    else groups.set(session.partition, [session]);
  }
  return groups;
}

export function* range(start, end) {
  for (let i = start; i < end; i++) yield i;
}
