import {
  createKeyspace,
  createScripts,
  type Keyspace,
  openRedis,
  type RedisConnection,
  type Scripts,
} from '@cauce/protocol';
import { createSessionClient, type SaveReceipt } from '@cauce/session-client';
import { createStates } from '../workload/states.ts';
import { untilFloorsPass } from '../workload/until-floors-pass.ts';
import { refOf } from '../workload/users.ts';

/** Redis is many times slower while its instructions are counted. */
const TIMEOUT_MS = 60_000;
const CHANGES = 'bare:changes';

export interface Bot {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
  readonly scripts: Scripts;
  /** With the session client. */
  save(user: number): Promise<SaveReceipt>;
  load(user: number): Promise<unknown>;
  /** The same bytes without it. */
  set(user: number): Promise<unknown>;
  setAndAnnounce(user: number): Promise<unknown>;
  close(): Promise<void>;
}

/** A bot whose every save is of another state, over a connection that can be watched. */
export async function openBot(
  redisUrl: string,
  { stateBytes }: { readonly stateBytes: number },
): Promise<Bot> {
  await untilFloorsPass(redisUrl);
  const connection = openRedis(redisUrl, {
    connectionName: 'bench',
    answerTimeoutMs: TIMEOUT_MS,
    onError: () => {},
  });
  await connection.ready(TIMEOUT_MS);
  const { redis } = connection;
  const client = createSessionClient({ redis, commandTimeoutMs: TIMEOUT_MS });
  const keyspace = createKeyspace();
  const states = createStates(stateBytes);
  let saves = 0;
  return {
    ...{ redis, keyspace },
    scripts: createScripts({ redis, keyspace }, { timeoutMs: TIMEOUT_MS }),
    save: (user) => client.saveUserState(refOf(user), states.nth(saves++).state),
    load: (user) => client.getUserState(refOf(user)),
    set: (user) => redis.set(`set:${user}`, states.nth(saves++).json),
    setAndAnnounce(user) {
      const key = `multi:${user}`;
      return redis.multi().set(key, states.nth(saves++).json).xadd(CHANGES, '*', 'k', key).exec();
    },
    async close() {
      await client.close();
      await connection.close();
    },
  };
}
