import { openRedis } from '@cauce/protocol';
import type { Servers } from '../servers.ts';
import { refOf } from '../workload/users.ts';
import type { Contender } from './contender.ts';

type RedisServer = Pick<Servers, 'redisUrl'>;

const CONNECT_TIMEOUT_MS = 5000;
const SESSION_SECONDS = 3600;
const CHANGES = 'bare:changes';

/** ioredis with the options the session client has. */
async function connect(redisUrl: string) {
  const connection = openRedis(redisUrl, {
    connectionName: 'bench',
    answerTimeoutMs: 2000,
    onError: () => {},
  });
  await connection.ready(CONNECT_TIMEOUT_MS);
  return connection;
}

const keyOf = (kind: string, user: number) => {
  const { tenantId, userId } = refOf(user);
  return `${kind}:${tenantId}:${userId}`;
};

export async function openBareSet(
  { redisUrl }: RedisServer,
  { prefix = 'set' } = {},
): Promise<Contender & { load(user: number): Promise<string | null> }> {
  const { redis, close } = await connect(redisUrl);
  return {
    name: 'SET',
    save: (user, { json }) => redis.set(keyOf(prefix, user), json),
    load: (user) => redis.get(keyOf(prefix, user)),
    cleanUp: async () => {},
    close,
  };
}

export async function openBareMulti({ redisUrl }: RedisServer): Promise<Contender> {
  const { redis, close } = await connect(redisUrl);
  return {
    name: 'MULTI SET + XADD',
    save(user, { json }) {
      const key = keyOf('multi', user);
      return redis.multi().set(key, json).xadd(CHANGES, '*', 'k', key).exec();
    },
    cleanUp: () => redis.del(CHANGES),
    close,
  };
}

/** As connect-redis saves an HTTP session. */
export async function openSessionStore({ redisUrl }: RedisServer): Promise<Contender> {
  const { redis, close } = await connect(redisUrl);
  return {
    name: 'SET EX of a session store',
    save: (user, { state }) => redis.set(keyOf('store', user), JSON.stringify(state), 'EX', SESSION_SECONDS),
    cleanUp: async () => {},
    close,
  };
}
