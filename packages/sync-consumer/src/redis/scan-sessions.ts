import {
  type Keyspace,
  type LocatedSession,
  listIn,
  primaries,
  type RedisConnection,
  RedisError,
  textIn,
  textsIn,
} from '@cauce/protocol';

const SCAN_COUNT = 1000;

/**
 * Every session that is in Redis during the whole scan, once; in pages of at most `pageSessions`. One scan of each
 * primary for all partitions, because SCAN reads the whole keyspace with any pattern. Sessions of a slot that moves
 * during the scan may be left out.
 * @throws RedisError
 */
export async function* scanSessions(
  { redis, keyspace }: { redis: RedisConnection; keyspace: Keyspace },
  pageSessions: number,
): AsyncGenerator<LocatedSession[]> {
  const pattern = keyspace.sessionPattern(0).replace('{0}', '{*}');
  // SCAN repeats keys while a table is resized. About 100 bytes a session.
  const seen = new Set<string>();
  let page: LocatedSession[] = [];
  for (const server of primaries(redis)) {
    for (let cursor = '0'; ; ) {
      const reply = await server
        .scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT)
        .catch((error: unknown) => {
          throw RedisError.from(error, 'SCAN');
        });
      const [next, keys] = listIn('SCAN', reply, 2);
      for (const key of textsIn('SCAN', keys)) {
        // The pattern also fits keys that are not sessions.
        const session = seen.has(key) ? undefined : keyspace.parse(key);
        if (!session) continue;
        seen.add(key);
        page.push(session);
        if (page.length >= pageSessions) {
          yield page;
          page = [];
        }
      }
      if (next === '0') break;
      cursor = textIn('SCAN', next);
    }
  }
  if (page.length > 0) yield page;
}
