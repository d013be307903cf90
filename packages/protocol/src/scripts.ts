import { createHash } from 'node:crypto';
import type { RedisConnection } from './connection.ts';
import { InvalidOptionError } from './error.ts';
import { FORBIDDEN_IN_SCRIPT, refusedCommand } from './explain-redis.ts';
import { lua } from './generated/lua.ts';
import { type Keyspace, type LocatedSession, type SessionKey, SYNC_GROUP } from './keyspace.ts';
import { decodeParkedRecord, encodeParkedRecord, type ParkedRecord } from './parked-record.ts';
import { PARTITION_HASH } from './partition.ts';
import { RedisError, withDeadline } from './redis-failure.ts';
import type { TableIdentity } from './table-identity.ts';
import { ABSENT_VERSION, PROTOCOL_VERSION, type Version } from './version.ts';

/** Most sessions one script call takes: 20,000 keys blocked Redis for 137 ms, 500 take about 3 ms. */
export const MAX_SCRIPT_SESSIONS = 500;
/** Most state bytes one script call returns. */
export const MAX_SCRIPT_BYTES: number = 8 * 1024 * 1024;

/**
 * For how long after Redis changed a consumer may still commit what it took before: then sessions are compared with
 * PostgreSQL once more. Longer than any statement's timeout.
 */
const MAX_IN_FLIGHT_MS = 60_000;

/** A session as a store holds it. `state` is JSON text, '' for a tombstone. */
export interface StoredSession {
  readonly state: string;
  readonly version: Version;
  readonly isTombstone: boolean;
}

/** A session in Redis, and in which epoch it was saved, and confirmed or restored; '' = in none that is known. */
export interface HeldSession extends StoredSession {
  readonly savedIn: Epoch;
  readonly confirmedIn: Epoch;
}

export interface SaveCall {
  readonly session: LocatedSession;
  /** JSON text; '' for a tombstone. */
  readonly state: string;
  readonly isTombstone: boolean;
  readonly opId: string;
  /** Save only over this version; '0' = only if absent, which needs a `lease`; undefined = always. */
  readonly ifVersion?: Version | undefined;
  /** In which that version was loaded; undefined = not known. */
  readonly epoch?: Epoch | undefined;
  /** Under which no session was found; a conflict if it is gone. */
  readonly lease?: Lease | undefined;
}

export type SaveReply =
  | { readonly outcome: 'saved' | 'replayed' | 'conflict'; readonly version: Version }
  | { readonly outcome: 'too_large'; readonly bytes: number }
  /** Redis refused it; nothing was changed. */
  | { readonly outcome: 'failed'; readonly error: RedisError };

/** Names the time between two moments at which Redis may have lost the end of its data; only compared for equality. */
export type Epoch = string;

/** While Redis has it nobody has saved the session since it was taken, in the epoch in which it was taken. */
export type Lease = string;

export type LeaseReply =
  | ({ readonly outcome: 'hit' } & HeldSession)
  | { readonly outcome: 'miss'; readonly lease: Lease };

export type TakenSession =
  | ({
      readonly outcome: 'dirty';
      readonly parked: ParkedRecord | undefined;
      /** Rows up to this version are older than the session, whatever their versions say; '0' = none. */
      readonly winsOver: Version;
    } & StoredSession)
  | { readonly outcome: 'clean' }
  | { readonly outcome: 'deferred' }
  /** Something that is no session stands under its key. */
  | { readonly outcome: 'unreadable' };

export interface TakeReply {
  /** Redis' clock when the states were read, µs; settle wants it back. */
  readonly takenAtUs: string;
  /** One for each session asked for, in order. */
  readonly taken: readonly TakenSession[];
}

export interface SettleSession {
  readonly key: SessionKey;
  /** The version that is in PostgreSQL now; undefined when none was written. */
  readonly written: Version | undefined;
  readonly eventIds: readonly string[];
}

export type SettleOutcome = 'clean' | 'dirty' | 'gone' | 'unreadable';
export type ConfirmOutcome = 'confirmed' | 'adopted' | 'outdated' | 'superseded';
export type ResyncOutcome = 'announced' | 'dirty' | 'older' | 'gone';
export type SweepOutcome = 'announced' | 'waiting' | 'parked' | 'clean' | 'unreadable';

export type OpenPartitionReply =
  | {
      /** `other_table`: the sessions are synced to another one than the caller's, and nothing was written. */
      readonly outcome: 'opened' | 'created' | 'other_table';
      /** Whether a floor was ever given. */
      readonly isSeeded: boolean;
      readonly epoch: Epoch;
      /** The first epoch on this server. */
      readonly serverEpoch: Epoch;
      /** The table the sessions are synced to; undefined: none is remembered. */
      readonly syncedTo: TableIdentity | undefined;
    }
  | {
      readonly outcome: 'mismatch';
      readonly partitions: string;
      readonly hash: string;
      readonly protocol: string;
    };

/**
 * The Lua scripts with named arguments. The only code that knows the order of KEYS and ARGV; what each script
 * promises stands in its header (`packages/protocol/lua`).
 *
 * Every method rejects with {@link RedisError}, whose `failure.effect` says whether it may have been applied.
 */
export interface Scripts {
  /** One reply a save, in order. At most {@link MAX_SCRIPT_SESSIONS} saves; in a cluster of one partition. */
  save(saves: readonly SaveCall[], call: { maxBytes: number }): Promise<SaveReply[]>;
  lease(session: LocatedSession, call: { token: string; leaseTtlMs: number }): Promise<LeaseReply>;
  hydrate(
    session: LocatedSession,
    call: StoredSession & { lease: Lease; ttlMs: number },
  ): Promise<'hydrated' | 'present' | 'refused'>;
  /** `row`: what PostgreSQL has; undefined when it has none. */
  confirm(
    session: LocatedSession,
    call: { version: Version; epoch: Epoch; row: StoredSession | undefined; ttlMs: number },
  ): Promise<ConfirmOutcome>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions and `maxBytes` of state (default {@link MAX_SCRIPT_BYTES}). */
  take(
    partition: number,
    keys: readonly SessionKey[],
    /** `table`: id of the table that is carried to; not compared without. */
    call?: { maxBytes?: number; table?: string | undefined },
  ): Promise<TakeReply>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions. */
  settle(
    partition: number,
    sessions: readonly SettleSession[],
    call: { ttlMs: number; takenAtUs: string },
  ): Promise<SettleOutcome[]>;
  park(
    session: LocatedSession,
    call: { version: Version; record: ParkedRecord; eventIds: readonly string[] },
  ): Promise<'parked' | 'superseded' | 'gone'>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions. */
  sweep(
    partition: number,
    keys: readonly SessionKey[],
    call?: { ignoreRetryAt?: boolean },
  ): Promise<SweepOutcome[]>;
  adopt(
    session: LocatedSession,
    call: StoredSession & { losingVersion: Version; ttlMs: number },
  ): Promise<'adopted' | 'superseded'>;
  reissue(
    session: LocatedSession,
    call: { expectedVersion: Version; isDirty: boolean; floor: Version },
  ): Promise<'reissued' | 'superseded'>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions. */
  resync(
    partition: number,
    keys: readonly SessionKey[],
    call: { sinceVersion: Version },
  ): Promise<ResyncOutcome[]>;
  discard(session: LocatedSession, call: { version: Version }): Promise<'discarded' | 'superseded' | 'gone'>;
  /** `table`: the one the caller reads or writes. It is remembered where none was, if a floor is given with it. */
  openPartition(
    partition: number,
    call: { floor: Version; createGroup: boolean; table?: TableIdentity | undefined },
  ): Promise<OpenPartitionReply>;
  forgetConsumer(partition: number, call: { consumer: string }): Promise<'forgotten' | 'pending' | 'absent'>;
  cacheTenant(
    tenantId: string,
    call: { token: string; info: string; ttlMs: number },
  ): Promise<'cached' | 'refused'>;
}

export interface ScriptsDeps {
  readonly redis: RedisConnection;
  readonly keyspace: Keyspace;
}

export interface ScriptsOptions {
  /** A call without an answer for this long is given up as `unknown`, ms. */
  readonly timeoutMs: number;
}

type ScriptName = keyof typeof lua;
type Argument = string | number;
type RedisCommand = (...args: Argument[]) => Promise<unknown>;

/** Registers the scripts on the connection and returns their typed façade. */
export function createScripts({ redis, keyspace }: ScriptsDeps, { timeoutMs }: ScriptsOptions): Scripts {
  const commands = defineCommands(redis);
  async function run<Reply>(
    name: ScriptName,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<Reply> {
    try {
      return (await withDeadline(commands[name](keys.length, ...keys, ...args), timeoutMs)) as Reply;
    } catch (error) {
      throw RedisError.from(withCommand(name, error), name);
    }
  }
  const inPartition = (partition: number): [string, string, string] => [
    keyspace.changes(partition),
    keyspace.dirty(partition),
    keyspace.parked(partition),
  ];

  return {
    async save(saves, { maxBytes }) {
      refuseOversize(saves.length);
      const keys: string[] = [];
      const args: Argument[] = [maxBytes];
      for (const { session, state, opId, isTombstone, ifVersion = '', epoch = '', lease = '' } of saves) {
        const { partition, key } = session;
        keys.push(key, keyspace.changes(partition), keyspace.dirty(partition));
        keys.push(keyspace.hlc(partition), keyspace.lease(session), keyspace.meta(partition));
        args.push(state, opId, flag(isTombstone), ifVersion, ifVersion === ABSENT_VERSION ? lease : epoch);
      }
      const lines = (await run<string>('save', keys, args)).split('\n');
      return saves.map((_, i) => saveReply(lines[i] ?? ''));
    },

    async lease(session, { token, leaseTtlMs }) {
      const keys = [session.key, keyspace.lease(session), keyspace.meta(session.partition)];
      const [outcome, ...rest] = await run<string[]>('lease', keys, [token, leaseTtlMs]);
      if (outcome !== 'hit') return { outcome: 'miss', lease: rest[0] ?? '' };
      return { outcome, ...storedSession(rest), savedIn: rest[3] ?? '', confirmedIn: rest[4] ?? '' };
    },

    hydrate: (session, { lease, state, version, isTombstone, ttlMs }) =>
      run(
        'hydrate',
        [session.key, keyspace.lease(session), keyspace.hlc(session.partition)],
        [lease, state, version, flag(isTombstone), ttlMs],
      ),

    confirm: ({ partition, key }, { version, epoch, row, ttlMs }) =>
      run(
        'confirm',
        [key, keyspace.meta(partition), keyspace.hlc(partition)],
        [version, epoch, row?.version ?? '0', row?.state ?? '', flag(row?.isTombstone ?? false), ttlMs],
      ),

    async take(partition, keys, { maxBytes = MAX_SCRIPT_BYTES, table = '' } = {}) {
      refuseOversize(keys.length);
      const [takenAtUs = '', ...texts] = await run<string[]>(
        'take',
        [keyspace.parked(partition), keyspace.meta(partition), ...keys],
        [maxBytes, table],
      );
      return { takenAtUs, taken: keys.map((_, i) => takenSession(texts[2 * i], texts[2 * i + 1])) };
    },

    async settle(partition, sessions, { ttlMs, takenAtUs }) {
      refuseOversize(sessions.length);
      const args: Argument[] = [SYNC_GROUP, ttlMs, takenAtUs];
      for (const { written, eventIds } of sessions) args.push(written ?? '', eventIds.length, ...eventIds);
      const outcomes = await run<string>(
        'settle',
        [...inPartition(partition), ...sessions.map(({ key }) => key)],
        args,
      );
      return (outcomes === '' ? [] : outcomes.split(' ')) as SettleOutcome[];
    },

    park: ({ partition, key }, { version, record, eventIds }) =>
      run(
        'park',
        [...inPartition(partition), key],
        [SYNC_GROUP, version, encodeParkedRecord(record), ...eventIds],
      ),

    async sweep(partition, keys, { ignoreRetryAt = false } = {}) {
      refuseOversize(keys.length);
      return run('sweep', [...inPartition(partition), ...keys], [SYNC_GROUP, flag(ignoreRetryAt)]);
    },

    adopt: ({ partition, key }, { losingVersion, state, version, isTombstone, ttlMs }) =>
      run(
        'adopt',
        [...inPartition(partition), keyspace.hlc(partition), key],
        [losingVersion, state, version, flag(isTombstone), ttlMs, SYNC_GROUP],
      ),

    async reissue({ partition, key }, { expectedVersion, isDirty, floor }) {
      const [outcome] = await run<['reissued' | 'superseded']>(
        'reissue',
        [
          ...[key, keyspace.changes(partition), keyspace.dirty(partition)],
          ...[keyspace.hlc(partition), keyspace.meta(partition)],
        ],
        [expectedVersion, flag(isDirty), floor],
      );
      return outcome;
    },

    async resync(partition, keys, { sinceVersion }) {
      refuseOversize(keys.length);
      return run('resync', [keyspace.changes(partition), keyspace.dirty(partition), ...keys], [sinceVersion]);
    },

    discard: ({ partition, key }, { version }) =>
      run('discard', [...inPartition(partition), key], [SYNC_GROUP, version]),

    async openPartition(partition, { floor, createGroup, table }) {
      const [outcome, first = '', second = '', third = '', id = '', name = ''] = await run<string[]>(
        'openPartition',
        [keyspace.meta(partition), keyspace.hlc(partition), keyspace.changes(partition)],
        [
          ...[keyspace.partitions, PARTITION_HASH, PROTOCOL_VERSION, floor],
          ...[createGroup ? SYNC_GROUP : '', MAX_IN_FLIGHT_MS, table?.id ?? '', table?.name ?? ''],
        ],
      );
      if (outcome === 'mismatch') return { outcome, partitions: first, hash: second, protocol: third };
      const opened = outcome === 'created' || outcome === 'other_table' ? outcome : 'opened';
      const syncedTo = id === '' ? undefined : { id, name };
      return { outcome: opened, isSeeded: first === '1', epoch: second, serverEpoch: third, syncedTo };
    },

    forgetConsumer: (partition, { consumer }) =>
      run('forgetConsumer', [keyspace.changes(partition)], [SYNC_GROUP, consumer]),

    cacheTenant(tenantId, { token, info, ttlMs }) {
      const keys = keyspace.tenant(tenantId);
      return run('cacheTenant', [keys.info, keys.lease], [token, info, ttlMs]);
    },
  };
}

/**
 * The scripts as commands of this connection: ioredis sends EVALSHA and repeats with the text on NOSCRIPT.
 * The names carry a hash of the text, so that two releases on one connection do not swap scripts.
 */
function defineCommands(redis: RedisConnection): Record<ScriptName, RedisCommand> {
  const methods = redis as unknown as Record<string, RedisCommand | undefined>;
  const define = (name: ScriptName): [ScriptName, RedisCommand] => {
    const method = `cauce_${name}_${createHash('sha1').update(lua[name]).digest('hex').slice(0, 8)}`;
    if (!methods[method]) redis.defineCommand(method, { lua: lua[name] });
    return [name, (methods[method] as RedisCommand).bind(redis)];
  };
  return Object.fromEntries((Object.keys(lua) as ScriptName[]).map(define)) as Record<
    ScriptName,
    RedisCommand
  >;
}

/** Redis names no command that the user may not run in a script, only its line. */
function withCommand(name: ScriptName, error: unknown): unknown {
  if (!(error instanceof Error && FORBIDDEN_IN_SCRIPT.test(error.message))) return error;
  const command = refusedCommand(lua[name], error.message);
  const message = `the Redis user may not run ${command}, which the script ${name} needs: grant it. ${error.message}`;
  return Object.assign(new Error(message), { name: error.name });
}

function saveReply(line: string): SaveReply {
  const at = line.indexOf(' ');
  const [outcome, value] = [line.slice(0, at) as SaveReply['outcome'], line.slice(at + 1)];
  if (outcome === 'failed') {
    const refusal = Object.assign(new Error(value), { name: 'ReplyError' });
    return { outcome, error: RedisError.from(withCommand('save', refusal), 'save') };
  }
  return outcome === 'too_large' ? { outcome, bytes: Number(value) } : { outcome, version: value };
}

function takenSession(entry = 'deferred', state = ''): TakenSession {
  const [outcome, version = '', tombstone, winsOver = '0', parked = ''] = entry.split(' ');
  if (outcome !== 'dirty') return { outcome: outcome as Exclude<TakenSession['outcome'], 'dirty'> };
  const isTombstone = tombstone === '1';
  return { outcome, state, version, isTombstone, parked: decodeParkedRecord(parked), winsOver };
}

function storedSession([state = '', version = '', tombstone]: readonly string[]): StoredSession {
  return { state, version, isTombstone: tombstone === '1' };
}

function flag(value: boolean): '0' | '1' {
  return value ? '1' : '0';
}

function refuseOversize(sessions: number): void {
  if (sessions > MAX_SCRIPT_SESSIONS) {
    throw new InvalidOptionError(`${sessions} sessions in one script call; at most ${MAX_SCRIPT_SESSIONS}.`);
  }
}
