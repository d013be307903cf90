import { decodeParkedRecord, type ParkedRecord, RedisError, type SessionKey } from '@cauce/protocol';
import type { RedisDeps } from './admin-deps.ts';

export interface ParkedEntry {
  readonly key: SessionKey;
  /** Undefined when it cannot be read. */
  readonly record: ParkedRecord | undefined;
}

const SCAN_COUNT = 200;

/** The parked sessions of a partition, in pages, each once as far as one page knows. @throws RedisError */
export async function* parkedPages(
  { redis, keyspace }: RedisDeps,
  partition: number,
): AsyncGenerator<ParkedEntry[]> {
  for (let cursor = '0'; ; ) {
    const [next, flat] = await redis
      .hscan(keyspace.parked(partition), cursor, 'COUNT', SCAN_COUNT)
      .catch((error: unknown) => {
        throw RedisError.from(error, 'parked');
      });
    const page: ParkedEntry[] = [];
    for (let i = 0; i < flat.length; i += 2) {
      page.push({ key: flat[i] ?? '', record: decodeParkedRecord(flat[i + 1] ?? '') });
    }
    if (page.length > 0) yield page;
    if (next === '0') return;
    cursor = next;
  }
}
