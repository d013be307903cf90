import {
  type Keyspace,
  primaries,
  type RedisConnection,
  type RedisHealth,
  withDeadline,
} from '@cauce/protocol';
import type { Redis } from 'ioredis';

export interface ReplayDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
}

const REPLAY_PROBLEM =
  'A restart of Redis may lose every session it holds: replaying the append-only file leaves out what the user ' +
  "default may not do. Keep that user's rights while it is off: user default off ~* &* +@all";

/**
 * Why a restart would lose what the append-only file holds; undefined when it would not, or when this user may not ask
 * (`ACL DRYRUN`). Many versions of Redis and Valkey, 7.0.15 and 7.2.5 among them, replay what a script wrote with the
 * rights of the user `default`, and leave out what that user may not do. Never rejects.
 */
export async function findReplayProblem(
  { redis, keyspace }: ReplayDeps,
  health: readonly RedisHealth[],
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<string | undefined> {
  if (!health.some(({ isAppendOnly }) => isAppendOnly)) return undefined;
  try {
    const answers = await withDeadline(
      Promise.all(
        primaries(redis).flatMap((server) => writesOfSave(keyspace).map((write) => dryRun(server, write))),
      ),
      timeoutMs,
    );
    return answers.every((answer) => answer === 'OK') ? undefined : REPLAY_PROBLEM;
  } catch {
    return undefined;
  }
}

/** One of each kind. */
function writesOfSave(keyspace: Keyspace): string[][] {
  const { key, partition } = keyspace.locate({ tenantId: 'tenant', userId: 'user' });
  return [
    ['HSET', key, 'field', 'value'],
    ['ZADD', keyspace.dirty(partition), '1', key],
    ['XADD', keyspace.changes(partition), '*', 'field', 'value'],
    ['PERSIST', key],
    ['DEL', key],
  ];
}

async function dryRun(server: Redis, [command = '', ...args]: readonly string[]): Promise<string> {
  return String(await server.acl('DRYRUN', 'default', command, ...args));
}
