import { listIn, oneOf, textIn, textsIn, understood } from '../../redis/replies.ts';
import { type LocatedSession, type SessionKey, SYNC_GROUP } from '../keyspace.ts';
import { decodeParkedRecord, encodeParkedRecord, type ParkedRecord } from '../parked-record.ts';
import { rowOperations } from '../session-hash.ts';
import { ABSENT_VERSION, isVersion, type Version } from '../version.ts';
import { isTerm, type Term } from '../writer-mode.ts';
import {
  eventKeys,
  flag,
  MAX_SCRIPT_BYTES,
  MAX_SCRIPT_SESSIONS,
  refuseForeign,
  refuseOversize,
} from './arguments.ts';
import type { Argument, ScriptDeps } from './run-script.ts';
import type { StoredSession } from './stored-session.ts';

export type TakenSession =
  | ({
      readonly outcome: 'dirty';
      readonly parked: ParkedRecord | undefined;
      /** Rows up to this version are older than the session, even if their versions are higher; '0' = none. */
      readonly winsOver: Version;
    } & StoredSession)
  /** Dirty, and saved before the present Redis period: somebody may have saved it directly since. */
  | ({ readonly outcome: 'leftover' } & StoredSession)
  | { readonly outcome: 'clean' }
  | { readonly outcome: 'deferred' }
  /** The value under its key is not a session. */
  | { readonly outcome: 'unreadable' };

export interface TakeReply {
  /** Redis' clock when the states were read, µs; settle wants it back. */
  readonly takenAtUs: string;
  /** Of the writer mode of the partition, when the states were read; '0': none is stored. */
  readonly period: Term;
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

/** What becomes of sessions in a pass, and when somebody decides about one by hand. */
export interface SyncScripts {
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
  adopt(
    session: LocatedSession,
    call: StoredSession & { losingVersion: Version; ttlMs: number },
  ): Promise<'adopted' | 'superseded'>;
  reissue(
    session: LocatedSession,
    call: { expectedVersion: Version; isDirty: boolean; floor: Version },
  ): Promise<'reissued' | 'superseded'>;
  discard(
    session: LocatedSession,
    call: { version: Version },
  ): Promise<'discarded' | 'superseded' | 'gone' | 'unreadable'>;
}

export function syncScripts({ run, keyspace }: ScriptDeps): SyncScripts {
  return {
    async take(partition, keys, { maxBytes = MAX_SCRIPT_BYTES, table = '' } = {}) {
      refuseOversize(keys.length);
      const reply = await run(
        'take',
        [keyspace.parked(partition), keyspace.meta(partition), ...keys],
        [maxBytes, table],
      );
      const [takenAtUs = '', period = '', ...texts] = textsIn('take', reply);
      const isRight = /^\d+$/.test(takenAtUs) && isTerm(period) && texts.length <= 2 * keys.length;
      understood('take', isRight ? reply : undefined);
      return {
        ...{ takenAtUs, period },
        taken: keys.map((_, i) => takenSession(texts[2 * i], texts[2 * i + 1])),
      };
    },

    async settle(partition, sessions, { ttlMs, takenAtUs }) {
      refuseOversize(sessions.length);
      const args: Argument[] = [SYNC_GROUP, ttlMs, takenAtUs];
      for (const { written, eventIds } of sessions) args.push(written ?? '', eventIds.length, ...eventIds);
      const keys = [
        ...eventKeys(keyspace, partition),
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
        [...eventKeys(keyspace, partition), key],
        [SYNC_GROUP, version, encodeParkedRecord(record), ...eventIds],
      );
      return oneOf('park', reply, ['parked', 'superseded', 'gone', 'unreadable']);
    },

    async adopt({ partition, key }, { losingVersion, state, version, isTombstone, operations = '', ttlMs }) {
      refuseForeign(losingVersion, version);
      const reply = await run(
        'adopt',
        [...eventKeys(keyspace, partition), key, keyspace.meta(partition)],
        [losingVersion, state, version, flag(isTombstone), operations, ttlMs, SYNC_GROUP],
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

    async discard({ partition, key }, { version }) {
      const reply = await run('discard', [...eventKeys(keyspace, partition), key], [SYNC_GROUP, version]);
      return oneOf('discard', reply, ['discarded', 'superseded', 'gone', 'unreadable']);
    },
  };
}

// The operations of a session may have a line break, if another program wrote them; a record has none.
const dirtyForm = /^dirty (\d+) ([01]) (\d+) ?(.*)\n(.*)$/s;
const leftoverForm = /^leftover (\d+) ([01])$/;

function takenSession(entry = 'deferred', state = ''): TakenSession {
  const dirty = dirtyForm.exec(entry);
  if (dirty) {
    const [, version = '', tombstone, winsOver = '', operations = '', parked = ''] = dirty;
    if (!isVersion(version)) return { outcome: 'unreadable' };
    return {
      ...{ outcome: 'dirty', state, version, isTombstone: tombstone === '1' },
      parked: decodeParkedRecord(parked),
      operations: rowOperations(operations),
      winsOver: isVersion(winsOver) ? winsOver : ABSENT_VERSION,
    };
  }
  const leftover = leftoverForm.exec(entry);
  if (leftover) {
    const [, version = '', tombstone] = leftover;
    if (!isVersion(version)) return { outcome: 'unreadable' };
    return { outcome: 'leftover', state, version, isTombstone: tombstone === '1' };
  }
  return { outcome: oneOf('take', entry, ['clean', 'deferred', 'unreadable']) };
}
