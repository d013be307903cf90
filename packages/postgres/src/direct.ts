import {
  ABSENT_VERSION,
  DeadlineError,
  ErrorCause,
  isCauceError,
  isVersion,
  type LocatedSession,
  type StoredSession,
  type Term,
  type Version,
  type WriterMode,
} from '@cauce/protocol';
import { type BotPoolOptions, openBotPool } from './bot-pool.ts';
import { classifyPostgresFailure } from './classify-failure.ts';
import { PostgresError } from './postgres-error.ts';
import { refColumns, type SelectedRow } from './statements.ts';
import { inTransaction, isRolledBack } from './transaction.ts';
import { explainHidden, sessionsIn } from './whole-rows.ts';

export type { BotPoolOptions };

/**
 * Who may write the sessions of a partition. In the two middle ones nobody may save. `unknown`: none is stored, so the
 * sessions come from Redis; `other_layout`: the data has another number of partitions.
 */
export type FoundMode = WriterMode | 'unknown' | 'other_layout';

export interface DirectSave {
  readonly session: LocatedSession;
  /** JSON text; undefined for a tombstone. */
  readonly state: string | undefined;
  readonly opId: string;
  /** Save only over this version; '0': only if there is no session, or a tombstone; undefined: always. */
  readonly ifVersion: Version | undefined;
}

export type DirectSaveReply =
  /** `conflict`: the version that is there, '0' if there is none. */
  | { readonly outcome: 'saved' | 'replayed' | 'conflict'; readonly version: Version }
  /** Nothing was written: the partition is not in direct mode. */
  | { readonly outcome: 'moved'; readonly mode: FoundMode }
  | { readonly outcome: 'failed'; readonly failure: DirectFailure; readonly error: Error };

export interface DirectFailure {
  /** `refused`: it was not applied; `unknown`: it was sent, and may have been committed. */
  readonly effect: 'refused' | 'unknown';
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** SQLSTATE, the code of a socket error, or a word of our own. */
  readonly reason: string;
}

/** A row, and who may write it, at one moment. */
export interface DirectRow {
  readonly mode: FoundMode;
  /** Of the mode; '0': none is stored. */
  readonly term: Term;
  readonly stored: StoredSession | undefined;
}

/** The table as a store that bots save to directly, in the partitions whose mode is `direct`. */
export interface DirectTable {
  /** Each in one transaction, of one round trip on a pipelining pool. Never throws. */
  save(call: DirectSave): Promise<DirectSaveReply>;
  /** In one snapshot, in the order asked. @throws PostgresError; CauceError `RESTORE_FAILED` when a row may be hidden */
  load(sessions: readonly LocatedSession[]): Promise<DirectRow[]>;
  /** Resolves when PostgreSQL answers. */
  ping(): Promise<void>;
  /** Ends the pool if it was opened here. */
  close(): Promise<void>;
}

export interface DirectTableOptions {
  /** How many partitions the sessions have. */
  readonly partitions: number;
}

/** @throws InvalidOptionError for options out of their bounds */
export function openDirectTable(options: BotPoolOptions, { partitions }: DirectTableOptions): DirectTable {
  const { pool, statements, tableName, inTurn, close } = openBotPool(options);

  return {
    async save({ session, state, opId, ifVersion }) {
      const { partition, ref } = session;
      const values = [
        partition,
        partitions,
        ref.tenantId,
        ref.userId,
        state ?? null,
        opId,
        ifVersion ?? null,
      ];
      let isSent = false;
      try {
        const [rows = []] = await inTurn((limits) =>
          inTransaction(pool, {
            statements: [{ text: statements.saveDirect, values }],
            limits: () => {
              const given = limits();
              isSent = true;
              return given;
            },
            mustSeeAll: true,
          }),
        );
        return savedReply(rows[0] as SavedRow);
      } catch (error) {
        const effect = isSent && !isRolledBack(error) ? 'unknown' : 'refused';
        return { outcome: 'failed', ...failureOf(error, effect) };
      }
    },

    async load(sessions) {
      const values = [
        ...refColumns(sessions.map(({ ref }) => ref)),
        sessions.map(({ partition }) => partition),
        partitions,
      ];
      try {
        const [rows = []] = await inTurn((limits) =>
          inTransaction(pool, {
            statements: [{ text: statements.selectDirect, values }],
            limits,
            mustSeeAll: true,
          }),
        );
        const found = rows as (SelectedRow & { mode: FoundMode | null; term: Term | null })[];
        const stored = sessionsIn(found, { asked: sessions.length, tableName });
        const at = new Map(found.map((row) => [row.position, row]));
        return sessions.map((_, i) => ({
          mode: at.get(i)?.mode ?? 'unknown',
          term: at.get(i)?.term ?? '0',
          stored: stored[i],
        }));
      } catch (error) {
        throw failureOf(explainHidden(error), 'refused').error;
      }
    },

    ping: async () => {
      await inTurn(async () => pool.query('SELECT 1'));
    },
    close,
  };
}

interface SavedRow {
  readonly outcome: 'saved' | 'replayed' | 'conflict' | 'moved';
  readonly version: string | null;
  readonly mode: FoundMode | null;
}

function savedReply({ outcome, version, mode }: SavedRow): DirectSaveReply {
  if (outcome === 'moved') return { outcome, mode: mode ?? 'unknown' };
  if (!isVersion(version) && version !== ABSENT_VERSION) throw new Error('The save was not answered.');
  return { outcome, version };
}

/** What pg rejected with may quote a row, and knows its connection: neither leaves here. */
function failureOf(
  error: unknown,
  effect: DirectFailure['effect'],
): { readonly failure: DirectFailure; readonly error: Error } {
  if (error instanceof DeadlineError) {
    return { failure: { effect, retryable: true, reason: 'TIMEOUT' }, error: ErrorCause.from(error) };
  }
  if (isCauceError(error)) {
    return { failure: { effect, retryable: error.retryable, reason: error.code }, error };
  }
  const failure = classifyPostgresFailure(error);
  const isPassing = failure.class === 'transient';
  return {
    failure: { effect, retryable: isPassing, reason: failure.code },
    error: new PostgresError(failure),
  };
}
