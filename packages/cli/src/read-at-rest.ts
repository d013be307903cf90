import { setTimeout as delay } from 'node:timers/promises';
import { type AdminDeps, asked } from '@cauce/admin';
import { type Cached, hashJson, nameSession, type Row } from '@cauce/history';
import { type LocatedSession, RedisError, SESSION_FIELDS, type SessionRef, sessionIn } from '@cauce/protocol';

export interface AtRestOptions {
  /** Most sessions asked for at once. */
  readonly batchRows: number;
  /** How long to wait for sessions that are dirty, ms. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (dirtyLeft: number) => void;
}

export interface AtRest {
  /** By session name; those that are not in Redis are absent. */
  readonly cached: ReadonlyMap<string, Cached>;
  readonly rows: ReadonlyMap<string, Row>;
}

const PAUSE_MS = 200;
/** What is under the key is not a session: equal to no hash. */
const UNREADABLE = 'unreadable';

/**
 * What both stores hold of the sessions, once none of them is dirty or the wait is over. States become hashes.
 * @throws RedisError, PostgresError, AbortError
 */
export async function readAtRest(
  deps: AdminDeps,
  refs: readonly SessionRef[],
  { batchRows, waitMs, signal, onProgress }: AtRestOptions,
): Promise<AtRest> {
  const deadlineMs = performance.now() + waitMs;
  const cached = new Map<string, Cached>();
  for (let open = refs; ; ) {
    for (const ref of open) cached.delete(nameSession(ref));
    for (const batch of batchesOf(open, batchRows)) {
      signal.throwIfAborted();
      for (const [session, held] of await readCached(deps, batch)) cached.set(session, held);
    }
    open = open.filter((ref) => isUnsettled(cached.get(nameSession(ref))));
    onProgress(open.length);
    if (open.length === 0 || performance.now() >= deadlineMs) break;
    await delay(PAUSE_MS, undefined, { signal });
  }
  const rows = new Map<string, Row>();
  for (const batch of batchesOf(refs, batchRows)) {
    signal.throwIfAborted();
    for (const { ref, version, state } of await asked(deps.queries.selectSessions(batch))) {
      rows.set(nameSession(ref), {
        version: BigInt(version),
        state: state === null ? null : hashJson(state),
      });
    }
  }
  return { cached, rows };
}

/** A parked session may stay so for hours: nobody waits for it. */
function isUnsettled(cached: Cached | undefined): boolean {
  return cached?.sync === 'dirty' || cached?.sync === 'forgotten';
}

async function readCached(
  deps: Pick<AdminDeps, 'redis' | 'keyspace'>,
  refs: readonly SessionRef[],
): Promise<[string, Cached][]> {
  const read = await Promise.all(
    refs.map(async (ref): Promise<[string, Cached][]> => {
      const held = await readOne(deps, deps.keyspace.locate(ref));
      return held ? [[nameSession(ref), held]] : [];
    }),
  );
  return read.flat();
}

async function readOne(
  { redis, keyspace }: Pick<AdminDeps, 'redis' | 'keyspace'>,
  { key, partition }: LocatedSession,
): Promise<Cached | undefined> {
  // At one moment: a settle in between would look like a session nobody knows of.
  const replies = await redis
    .multi()
    .hmget(key, ...SESSION_FIELDS)
    .pttl(key)
    .zscore(keyspace.dirty(partition), key)
    .hexists(keyspace.parked(partition), key)
    .exec()
    .catch((error: unknown) => {
      throw RedisError.from(error, 'read');
    });
  const [fields, ttlMs, dirtySince, isParked] = (replies ?? []).map(([error, reply]) =>
    error ? undefined : reply,
  );
  const unreadable: Cached = { version: 0n, state: UNREADABLE, sync: 'clean', ttlMs: 0 };
  if (fields === undefined) return unreadable;
  const held = sessionIn('read', fields);
  if (held.kind === 'absent') return undefined;
  if (held.kind === 'unreadable') return unreadable;
  const dirtySync = isParked ? 'parked' : dirtySince === null ? 'forgotten' : 'dirty';
  return {
    version: BigInt(held.version),
    state: held.isTombstone ? null : hashOrUnreadable(held.state),
    sync: held.isDirty ? dirtySync : 'clean',
    ttlMs: Number(ttlMs),
  };
}

function hashOrUnreadable(text: string): string {
  try {
    return hashJson(text);
  } catch {
    return UNREADABLE;
  }
}

function* batchesOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
