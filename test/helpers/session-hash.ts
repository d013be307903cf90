import { SESSION_FIELDS, SESSION_HASH } from '@cauce/protocol';
import type { Cluster, Redis } from 'ioredis';

/** What a session's hash holds, taken apart but not judged: tests also put there what no session has. */
export interface SessionTexts {
  readonly state: string;
  readonly version: string;
  readonly dirty: string;
  readonly tombstone: string;
  readonly event: string;
  readonly savedIn: string;
  readonly confirmedIn: string;
  readonly expiresAtMs: string;
  /** `opId=version`, with spaces between them. */
  readonly operations: string;
}

const clean: SessionTexts = {
  ...{ state: '{}', version: '5', dirty: '0', tombstone: '0', event: '', savedIn: '', confirmedIn: '' },
  ...{ expiresAtMs: '', operations: '' },
};

/** Empty when there is no session. */
export async function sessionTexts(redis: Redis | Cluster, key: string): Promise<Partial<SessionTexts>> {
  const [state, header] = await redis.hmget(key, ...SESSION_FIELDS);
  if (state == null || header == null) return {};
  const [version = '', flags = '', event = '', savedIn = '', confirmedIn = '', expiresAtMs = '', ...rest] =
    header.split(' ');
  return {
    ...{ state, version, dirty: flags.slice(0, 1), tombstone: flags.slice(1), event, savedIn, confirmedIn },
    ...{ expiresAtMs, operations: rest.join(' ') },
  };
}

/** Changes parts of a session by hand; one that is not there becomes a clean one at version 5. */
export async function rewriteSession(
  redis: Redis | Cluster,
  key: string,
  changes: Partial<SessionTexts>,
): Promise<void> {
  const texts = { ...clean, ...(await sessionTexts(redis, key)), ...changes };
  const { version, dirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, operations } = texts;
  const parts = [version, dirty + tombstone, event, savedIn, confirmedIn, expiresAtMs];
  const header = [...parts, ...(operations === '' ? [] : [operations])].join(' ');
  await redis.hset(key, SESSION_HASH.state, texts.state, SESSION_HASH.header, header);
}
