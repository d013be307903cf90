import { createHash } from 'node:crypto';
import { CorruptSessionError, InvalidOptionError } from '../error.ts';
import { lua } from '../generated/lua.ts';
import { FORBIDDEN_IN_SCRIPT, refusedCommand } from '../redis/explain-failure.ts';
import { RedisError, withDeadline } from '../redis/failure.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import { listIn, oneOf, textIn, textsIn, understood } from '../redis/replies.ts';
import { type Keyspace, type LocatedSession, type SessionKey, SYNC_GROUP } from './keyspace.ts';
import { decodeParkedRecord, encodeParkedRecord, type ParkedRecord } from './parked-record.ts';
import { PARTITION_HASH } from './partition.ts';
import { parseHash } from './session-hash.ts';
import type { TableIdentity } from './table-identity.ts';
import {
  ABSENT_VERSION,
  isVersion,
  LOWEST_READABLE_PROTOCOL,
  MAX_VERSION,
  PROTOCOL_VERSION,
  type Version,
} from './version.ts';

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

export interface SaveLimits {
  /** The largest state accepted. */
  readonly maxBytes: number;
  /** What a tenant may have in one partition that PostgreSQL does not have; undefined = it is not counted. */
  readonly budgetBytes?: number | undefined;
}

export type SaveReply =
  | { readonly outcome: 'saved' | 'replayed' | 'conflict'; readonly version: Version }
  | { readonly outcome: 'too_large'; readonly bytes: number }
  /** The tenant has so much in the partition that PostgreSQL does not have. */
  | { readonly outcome: 'over_budget'; readonly bytes: number }
  /** Redis refused it, and nothing was changed; or its answer is none that the script gives, and that is not known. */
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
      /** Rows up to this version are older than the session, even if their versions are higher; '0' = none. */
      readonly winsOver: Version;
    } & StoredSession)
  | { readonly outcome: 'clean' }
  | { readonly outcome: 'deferred' }
  /** The value under its key is not a session. */
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

const settleOutcomes = ['clean', 'dirty', 'gone', 'unreadable'] as const;
export type SettleOutcome = (typeof settleOutcomes)[number];
const confirmOutcomes = ['confirmed', 'adopted', 'outdated', 'superseded'] as const;
export type ConfirmOutcome = (typeof confirmOutcomes)[number];
const resyncOutcomes = ['announced', 'dirty', 'older', 'gone', 'unreadable'] as const;
export type ResyncOutcome = (typeof resyncOutcomes)[number];
const sweepOutcomes = ['announced', 'waiting', 'parked', 'clean', 'unreadable'] as const;
export type SweepOutcome = (typeof sweepOutcomes)[number];

export type OpenPartitionReply =
  | {
      /**
       * `renewed`: its stream took no more events, and was created again; what was in it has to be announced again.
       * `other_table`: the sessions are synced to another one than the caller's, and nothing was written.
       */
      readonly outcome: 'opened' | 'created' | 'renewed' | 'other_table';
      /** Whether a floor was ever given, and the partition has one to count on from. */
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
      readonly minProtocol: string;
    };

/**
 * The Lua scripts with named arguments. The only code that knows the order of KEYS and ARGV; the header of
 * each script says what it promises (`packages/protocol/lua`).
 *
 * Every method rejects with {@link RedisError}, whose `failure.effect` says whether it may have been applied, and with
 * InvalidOptionError for a version from elsewhere that is none ({@link isVersion}); then nothing was sent.
 */
export interface Scripts {
  /** One reply a save, in order. At most {@link MAX_SCRIPT_SESSIONS} saves; in a cluster of one partition. */
  save(saves: readonly SaveCall[], call: SaveLimits): Promise<SaveReply[]>;
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
    /** `table`: id of the table that is synced to; not compared without. */
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
  ): Promise<'parked' | 'superseded' | 'gone' | 'unreadable'>;
  /** At most {@link MAX_SCRIPT_SESSIONS} sessions. `aheadOfUs`: Redis' time, when they are dirty since a later one. */
  sweep(
    partition: number,
    keys: readonly SessionKey[],
    call?: { ignoreRetryAt?: boolean; aheadOfUs?: string },
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
  discard(
    session: LocatedSession,
    call: { version: Version },
  ): Promise<'discarded' | 'superseded' | 'gone' | 'unreadable'>;
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
  async function run(name: ScriptName, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await withDeadline(commands[name](keys.length, ...keys, ...args), timeoutMs);
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
    async save(saves, { maxBytes, budgetBytes }) {
      refuseOversize(saves.length);
      const keys: string[] = [];
      const args: Argument[] = [maxBytes, budgetBytes ?? ''];
      for (const { session, state, opId, ifVersion, epoch = '', lease = '' } of saves) {
        const { partition, key } = session;
        keys.push(key, keyspace.changes(partition), keyspace.dirty(partition), keyspace.meta(partition));
        if (budgetBytes !== undefined) keys.push(keyspace.unsynced(partition));
        const vouchedBy = ifVersion === ABSENT_VERSION ? lease : epoch;
        args.push(ifVersion === undefined ? opId : `${opId} ${ifVersion} ${vouchedBy}`, state);
      }
      const reply = textIn('save', await run('save', keys, args));
      return listIn('save', reply.split('\n'), saves.length).map(saveReplyOrFailure);
    },

    async lease(session, { token, leaseTtlMs }) {
      const keys = [session.key, keyspace.meta(session.partition)];
      const [outcome, ...rest] = listIn('lease', await run('lease', keys, [token, leaseTtlMs]));
      if (oneOf('lease', outcome, ['hit', 'miss']) === 'miss') {
        const [lease = ''] = textsIn('lease', rest, 1);
        return { outcome: 'miss', lease };
      }
      const [state = '', header = ''] = textsIn('lease', rest, 2);
      const held = parseHash(state, header);
      if (held.kind !== 'session') {
        throw new CorruptSessionError("What Redis holds under the session's key is not a session.");
      }
      const { version, isTombstone, savedIn, confirmedIn } = held;
      return { outcome: 'hit', state, version, isTombstone, savedIn, confirmedIn };
    },

    async hydrate(session, { lease, state, version, isTombstone, ttlMs }) {
      refuseForeign(version);
      const reply = await run(
        'hydrate',
        [session.key, keyspace.meta(session.partition)],
        [lease, state, version, flag(isTombstone), ttlMs],
      );
      return oneOf('hydrate', reply, ['hydrated', 'present', 'refused']);
    },

    async confirm({ partition, key }, { version, epoch, row, ttlMs }) {
      refuseForeign(version, row?.version ?? ABSENT_VERSION);
      const reply = await run(
        'confirm',
        [key, keyspace.meta(partition)],
        [
          ...[version, epoch, row?.version ?? ABSENT_VERSION, row?.state ?? ''],
          ...[flag(row?.isTombstone ?? false), ttlMs],
        ],
      );
      return oneOf('confirm', reply, confirmOutcomes);
    },

    async take(partition, keys, { maxBytes = MAX_SCRIPT_BYTES, table = '' } = {}) {
      refuseOversize(keys.length);
      const reply = await run(
        'take',
        [keyspace.parked(partition), keyspace.meta(partition), ...keys],
        [maxBytes, table],
      );
      const [takenAtUs = '', ...texts] = textsIn('take', reply);
      understood('take', /^\d+$/.test(takenAtUs) && texts.length <= 2 * keys.length ? reply : undefined);
      return { takenAtUs, taken: keys.map((_, i) => takenSession(texts[2 * i], texts[2 * i + 1])) };
    },

    async settle(partition, sessions, { ttlMs, takenAtUs }) {
      refuseOversize(sessions.length);
      const args: Argument[] = [SYNC_GROUP, ttlMs, takenAtUs];
      for (const { written, eventIds } of sessions) args.push(written ?? '', eventIds.length, ...eventIds);
      const keys = [
        ...inPartition(partition),
        keyspace.unsynced(partition),
        ...sessions.map(({ key }) => key),
      ];
      const reply = await run('settle', keys, args);
      const text = textIn('settle', reply);
      const words = text === '' ? [] : text.split(' ');
      return listIn('settle', words, sessions.length).map((word) => oneOf('settle', word, settleOutcomes));
    },

    async park({ partition, key }, { version, record, eventIds }) {
      const reply = await run(
        'park',
        [...inPartition(partition), key],
        [SYNC_GROUP, version, encodeParkedRecord(record), ...eventIds],
      );
      return oneOf('park', reply, ['parked', 'superseded', 'gone', 'unreadable']);
    },

    async sweep(partition, keys, { ignoreRetryAt = false, aheadOfUs = '' } = {}) {
      refuseOversize(keys.length);
      const reply = await run(
        'sweep',
        [...inPartition(partition), ...keys],
        [SYNC_GROUP, flag(ignoreRetryAt), aheadOfUs],
      );
      return listIn('sweep', reply, keys.length).map((word) => oneOf('sweep', word, sweepOutcomes));
    },

    async adopt({ partition, key }, { losingVersion, state, version, isTombstone, ttlMs }) {
      refuseForeign(losingVersion, version);
      const reply = await run(
        'adopt',
        [...inPartition(partition), key, keyspace.meta(partition)],
        [losingVersion, state, version, flag(isTombstone), ttlMs, SYNC_GROUP],
      );
      return oneOf('adopt', reply, ['adopted', 'superseded']);
    },

    async reissue({ partition, key }, { expectedVersion, isDirty, floor }) {
      refuseForeign(expectedVersion, floor);
      const reply = await run(
        'reissue',
        [key, keyspace.changes(partition), keyspace.dirty(partition), keyspace.meta(partition)],
        [expectedVersion, flag(isDirty), floor],
      );
      const [outcome] = textsIn('reissue', reply);
      return oneOf('reissue', outcome, ['reissued', 'superseded']);
    },

    async resync(partition, keys, { sinceVersion }) {
      refuseOversize(keys.length);
      refuseForeign(sinceVersion);
      const reply = await run(
        'resync',
        [keyspace.changes(partition), keyspace.dirty(partition), ...keys],
        [sinceVersion],
      );
      return listIn('resync', reply, keys.length).map((word) => oneOf('resync', word, resyncOutcomes));
    },

    async discard({ partition, key }, { version }) {
      const reply = await run('discard', [...inPartition(partition), key], [SYNC_GROUP, version]);
      return oneOf('discard', reply, ['discarded', 'superseded', 'gone', 'unreadable']);
    },

    async openPartition(partition, { floor, createGroup, table }) {
      refuseForeign(floor);
      const reply = await run(
        'openPartition',
        [keyspace.meta(partition), keyspace.changes(partition)],
        [
          ...[keyspace.partitions, PARTITION_HASH, PROTOCOL_VERSION, LOWEST_READABLE_PROTOCOL, floor],
          ...[createGroup ? SYNC_GROUP : '', MAX_IN_FLIGHT_MS, table?.id ?? '', table?.name ?? ''],
        ],
      );
      const [word, first = '', second = '', third = '', id = '', name = ''] = textsIn('openPartition', reply);
      const outcomes = ['opened', 'created', 'renewed', 'mismatch', 'other_table'] as const;
      const outcome = oneOf('openPartition', word, outcomes);
      listIn('openPartition', reply, outcome === 'mismatch' ? 5 : 6);
      if (outcome === 'mismatch') {
        return { outcome, partitions: first, hash: second, protocol: third, minProtocol: id };
      }
      const syncedTo = id === '' ? undefined : { id, name };
      const isSeeded = oneOf('openPartition', first, ['0', '1']) === '1';
      return { outcome, isSeeded, epoch: second, serverEpoch: third, syncedTo };
    },

    async forgetConsumer(partition, { consumer }) {
      const reply = await run('forgetConsumer', [keyspace.changes(partition)], [SYNC_GROUP, consumer]);
      return oneOf('forgetConsumer', reply, ['forgotten', 'pending', 'absent']);
    },

    async cacheTenant(tenantId, { token, info, ttlMs }) {
      const keys = keyspace.tenant(tenantId);
      const reply = await run('cacheTenant', [keys.info, keys.lease], [token, info, ttlMs]);
      return oneOf('cacheTenant', reply, ['cached', 'refused']);
    },
  };
}

/**
 * The scripts as commands of this connection: ioredis sends EVALSHA and repeats with the text on NOSCRIPT.
 * The names contain a hash of the text, so that two releases on one connection do not swap scripts.
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

function saveReply(line: unknown): SaveReply {
  const [word, value] = parted(textIn('save', line));
  const outcome = oneOf('save', word, [
    'saved',
    'replayed',
    'conflict',
    'too_large',
    'over_budget',
    'failed',
  ]);
  if (outcome === 'failed') {
    const refusal = Object.assign(new Error(value), { name: 'ReplyError' });
    return { outcome, error: RedisError.from(withCommand('save', refusal), 'save') };
  }
  if (outcome === 'too_large' || outcome === 'over_budget') {
    return { outcome, bytes: understood('save', /^\d+$/.test(value) ? Number(value) : undefined) };
  }
  const isRight = isVersion(value) || (outcome === 'conflict' && value === ABSENT_VERSION);
  return { outcome, version: understood('save', isRight ? value : undefined) };
}

/** The answer to one save of a call says nothing about the others. */
function saveReplyOrFailure(line: unknown): SaveReply {
  try {
    return saveReply(line);
  } catch (error) {
    if (error instanceof RedisError) return { outcome: 'failed', error };
    throw error;
  }
}

function takenSession(entry = 'deferred', state = ''): TakenSession {
  const [word, rest] = parted(entry);
  const outcome = oneOf('take', word, ['dirty', 'clean', 'deferred', 'unreadable']);
  if (outcome !== 'dirty') return { outcome };
  const [version, ofTombstone] = parted(rest);
  const [tombstone, ofWinsOver] = parted(ofTombstone);
  const [winsOver, parked] = parted(ofWinsOver);
  if (!isVersion(version)) return { outcome: 'unreadable' };
  return {
    ...{ outcome, state, version, parked: decodeParkedRecord(parked) },
    isTombstone: oneOf('take', tombstone, ['0', '1']) === '1',
    winsOver: isVersion(winsOver) ? winsOver : ABSENT_VERSION,
  };
}

/** At the first space. */
function parted(text: string): [word: string, rest: string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function flag(value: boolean): '0' | '1' {
  return value ? '1' : '0';
}

function refuseOversize(sessions: number): void {
  if (sessions > MAX_SCRIPT_SESSIONS) {
    throw new InvalidOptionError(`${sessions} sessions in one script call; at most ${MAX_SCRIPT_SESSIONS}.`);
  }
}

/** Versions that Redis did not issue just now. */
function refuseForeign(...versions: readonly Version[]): void {
  if (versions.every((version) => version === ABSENT_VERSION || isVersion(version))) return;
  throw new InvalidOptionError(`A version is not a whole number from 1 to ${MAX_VERSION}.`);
}
