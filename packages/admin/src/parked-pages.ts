import {
  decodeParkedRecord,
  type LocatedSession,
  listIn,
  type ParkedRecord,
  pairsIn,
  RedisError,
  textIn,
} from '@cauce/protocol';
import type { RedisDeps } from './admin-deps.ts';

/** Of the hash of the parked. */
export interface ParkedField {
  /** Undefined if the field does not name a session of this partition: another program wrote it. */
  readonly session: LocatedSession | undefined;
  /** Undefined when it cannot be read. */
  readonly record: ParkedRecord | undefined;
}

const SCAN_COUNT = 200;

/** The parked sessions of a partition, in pages, each once as far as one page knows. @throws RedisError */
export async function* parkedPages(
  { redis, keyspace }: RedisDeps,
  partition: number,
): AsyncGenerator<ParkedField[]> {
  for (let cursor = '0'; ; ) {
    const reply = await redis
      .hscan(keyspace.parked(partition), cursor, 'COUNT', SCAN_COUNT)
      .catch((error: unknown) => {
        throw RedisError.from(error, 'parked');
      });
    const [next, flat] = listIn('parked', reply, 2);
    const page = [...pairsIn('parked', flat)].map(([key, text]): ParkedField => {
      const session = keyspace.parse(key);
      const record = decodeParkedRecord(textIn('parked', text));
      return { session: session?.partition === partition ? session : undefined, record };
    });
    if (page.length > 0) yield page;
    if (next === '0') return;
    cursor = textIn('parked', next);
  }
}
