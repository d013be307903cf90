import { PostgresError, type PostgresFailure } from '@cauce/postgres';
import {
  countIn,
  decodeParkedRecord,
  type LocatedSession,
  type ParkedRecord,
  RedisError,
  SESSION_HASH,
  type SessionRef,
  textOrNullIn,
  type Version,
} from '@cauce/protocol';
import { checkLayout } from '@cauce/sync-consumer/internal';
import type { AdminDeps, RedisDeps } from './admin-deps.ts';
import { parkedPages } from './parked-pages.ts';
import { readHeader } from './read-header.ts';
import { readSessions } from './read-sessions.ts';

/** A session that PostgreSQL refuses, without its state. */
export interface ParkedSession {
  readonly ref: SessionRef;
  /** Undefined when what is stored cannot be read; the next attempt replaces it. */
  readonly record: ParkedRecord | undefined;
}

export interface ListParkedOptions {
  /** Most sessions returned. Default 1,000. */
  readonly limit?: number;
}

export interface ParkedList {
  readonly total: number;
  readonly sessions: readonly ParkedSession[];
  /** Fields that name no session: another program wrote them. */
  readonly foreign: number;
}

/** Lists what is parked, the latest refusal first. Changes nothing. @throws LayoutMismatchError, RedisError */
export async function listParked(
  deps: RedisDeps,
  { limit = 1000 }: ListParkedOptions = {},
): Promise<ParkedList> {
  await checkLayout(deps);
  const found = new Map<string, ParkedSession>();
  let foreign = 0;
  for (let partition = 0; partition < deps.keyspace.partitions; partition++) {
    for await (const page of parkedPages(deps, partition)) {
      for (const { session, record } of page) {
        if (session) found.set(session.key, { ref: session.ref, record });
        else foreign++;
      }
    }
  }
  const sessions = [...found.values()].sort(
    (a, b) => (b.record?.lastSeenMs ?? 0) - (a.record?.lastSeenMs ?? 0),
  );
  return { total: sessions.length, sessions: sessions.slice(0, limit), foreign };
}

export interface ShowParkedOptions {
  /** Also return the state, which may hold personal data. Default false. */
  readonly includeState?: boolean;
}

export interface ParkedDetail extends ParkedSession {
  /** What Redis holds now. `isParkedVersion` false: it was saved since; undefined: there is none. */
  readonly redis:
    | {
        readonly version: Version;
        readonly isParkedVersion: boolean;
        readonly isTombstone: boolean;
        readonly sizeBytes: number;
      }
    | undefined;
  /** What PostgreSQL has; undefined: no row. */
  readonly row: { readonly version: Version; readonly isTombstone: boolean } | undefined;
  /** Why the row is not known. */
  readonly rowProblem: PostgresFailure | undefined;
  /** JSON text; only when asked for. */
  readonly state?: string;
}

/** Undefined when it is not parked. Works while PostgreSQL is away. @throws LayoutMismatchError, RedisError */
export async function showParked(
  deps: Pick<AdminDeps, 'redis' | 'keyspace'> & {
    readonly queries: Pick<AdminDeps['queries'], 'selectSessions'>;
  },
  ref: SessionRef,
  { includeState = false }: ShowParkedOptions = {},
): Promise<ParkedDetail | undefined> {
  const session = deps.keyspace.locate(ref);
  await checkLayout(deps);
  const parked = await readParked(deps, session);
  if (!parked) return undefined;
  const { record } = parked;
  const { redis } = deps;
  const [header, size, found] = await Promise.all([
    readHeader(deps, session, 'parked'),
    redis.hstrlen(session.key, SESSION_HASH.state),
    includeState ? redis.hget(session.key, SESSION_HASH.state) : null,
  ]).catch((error: unknown) => {
    throw RedisError.from(error, 'parked');
  });
  const sizeBytes = countIn('parked', size);
  const state = textOrNullIn('parked', found);
  let row: ParkedDetail['row'];
  let rowProblem: PostgresFailure | undefined;
  try {
    const [stored] = await deps.queries.selectSessions([ref]);
    if (stored) row = { version: stored.version, isTombstone: stored.state === null };
  } catch (error) {
    rowProblem = PostgresError.from(error).failure;
  }
  return {
    ref,
    record,
    redis: header && {
      version: header.version,
      isParkedVersion: header.version === record?.version,
      isTombstone: header.isTombstone,
      sizeBytes,
    },
    row,
    rowProblem,
    ...(state === null ? {} : { state }),
  };
}

export interface DiscardOptions {
  /** The version that was shown to the person who decided. Default: the parked version. */
  readonly ifVersion?: Version | undefined;
  /** Say what would be discarded, change nothing. Default false. */
  readonly isDryRun?: boolean;
}

export interface DiscardResult {
  readonly isDryRun: boolean;
  readonly ref: SessionRef;
  readonly version: Version | undefined;
  /**
   * `superseded`: saved since, nothing changed. `gone`: not parked. `unreadable`: what Redis holds under its key is not a
   * session, nothing changed.
   */
  readonly outcome: 'discarded' | 'superseded' | 'gone' | 'unreadable';
}

/**
 * Gives up a parked session's unsynced change forever; the next load restores what PostgreSQL has.
 * @throws LayoutMismatchError, RedisError
 */
export async function discardParked(
  deps: RedisDeps & Pick<AdminDeps, 'scripts'>,
  ref: SessionRef,
  { ifVersion, isDryRun = false }: DiscardOptions = {},
): Promise<DiscardResult> {
  const session = deps.keyspace.locate(ref);
  await checkLayout(deps);
  const parked = await readParked(deps, session);
  const stored = (await readHeader(deps, session, 'parked'))?.version;
  if (!parked) return { isDryRun, ref, version: undefined, outcome: 'gone' };
  const version = ifVersion ?? parked.record?.version ?? stored ?? '0';
  if (isDryRun) {
    const [held] = await readSessions(deps.redis, [session]);
    if (held?.kind === 'unreadable') return { isDryRun, ref, version, outcome: 'unreadable' };
    const isSame = stored === undefined || stored === version;
    return { isDryRun, ref, version, outcome: isSame ? 'discarded' : 'superseded' };
  }
  return { isDryRun, ref, version, outcome: await deps.scripts.discard(session, { version }) };
}

/** Undefined when the session is not parked. @throws RedisError */
export async function readParked(
  { redis, keyspace }: RedisDeps,
  { partition, key }: LocatedSession,
): Promise<{ readonly record: ParkedRecord | undefined } | undefined> {
  const reply = await redis.hget(keyspace.parked(partition), key).catch((error: unknown) => {
    throw RedisError.from(error, 'parked');
  });
  const text = textOrNullIn('parked', reply);
  return text === null ? undefined : { record: decodeParkedRecord(text) };
}
