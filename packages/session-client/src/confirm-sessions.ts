import {
  compareVersions,
  type Epoch,
  type HeldSession,
  LOADER_RETRY_MS,
  type LocatedSession,
  RedisError,
  type Scripts,
  type StoredSession,
} from '@cauce/protocol';
import type { Found } from './loaded.ts';
import type { PartitionOpener } from './partition-opener.ts';
import { isReadOnly } from './read-only.ts';
import type { ReadRows } from './read-rows.ts';

export interface DoubtedSession {
  readonly session: LocatedSession;
  readonly held: HeldSession;
}

/**
 * The step of a load for sessions of an earlier epoch: Redis may have come back older than PostgreSQL, so each is
 * compared with its row once. The newer of the two is what is loaded; `confirm.lua` says which one that is.
 *
 * While PostgreSQL cannot be asked it gives what Redis holds, and asks again a few seconds later: a restart of Redis
 * must not keep the bot from its sessions.
 *
 * @param doubted distinct
 * @throws RedisError, LayoutMismatchError; never for the loader
 */
export type ConfirmSessions = (doubted: readonly DoubtedSession[]) => Promise<Found[]>;

/** Whether a session was saved, restored or confirmed in this epoch; never in one that is not known. */
export function isOf(epoch: Epoch, { savedIn, confirmedIn }: HeldSession): boolean {
  return epoch !== '' && (savedIn === epoch || confirmedIn === epoch);
}

export interface ConfirmDeps {
  readonly opener: Pick<PartitionOpener, 'refreshEpoch'>;
  readonly scripts: Pick<Scripts, 'confirm'>;
  readonly readRows: ReadRows;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** How long an adopted session stays. */
  readonly newTtlMs: () => number;
}

export function createConfirmSessions(deps: ConfirmDeps): ConfirmSessions {
  const { opener, scripts, readRows, now, newTtlMs } = deps;
  /** `epoch`: of the sessions that were asked for; a later one is worth another try at once. */
  let rest = { untilMs: Number.NEGATIVE_INFINITY, epoch: 0 };

  /** In the order of `sessions`; undefined: PostgreSQL cannot be asked. */
  async function tryReadRows(
    sessions: readonly LocatedSession[],
    epoch: number,
  ): Promise<(StoredSession | undefined)[] | undefined> {
    if (now() < rest.untilMs && epoch <= rest.epoch) return undefined;
    try {
      return await readRows(sessions);
    } catch {
      rest = { untilMs: now() + LOADER_RETRY_MS, epoch };
      return undefined;
    }
  }

  async function compare(
    { session, held }: DoubtedSession,
    row: StoredSession | undefined,
    epoch: Epoch,
  ): Promise<Found> {
    const newer = row && compareVersions(row.version, held.version) > 0 ? row : held;
    try {
      const call = { version: held.version, epoch, row, ttlMs: newTtlMs() };
      const outcome = await scripts.confirm(session, call);
      // Confirmed also means: although the row's version is above.
      return { session, loaded: outcome === 'confirmed' ? held : newer, isChanged: outcome === 'superseded' };
    } catch (error) {
      if (error instanceof RedisError && isReadOnly(error))
        return { session, loaded: newer, isChanged: false };
      throw error;
    }
  }

  async function refreshEpochs(doubted: readonly DoubtedSession[]): Promise<Map<number, Epoch>> {
    const partitions = [...new Set(doubted.map(({ session }) => session.partition))];
    const epochs = await Promise.all(partitions.map((partition) => opener.refreshEpoch(partition)));
    return new Map(partitions.map((partition, i) => [partition, epochs[i] ?? '']));
  }

  return async (doubted) => {
    const epochs = await refreshEpochs(doubted);
    const epochOf = ({ session }: DoubtedSession): Epoch => epochs.get(session.partition) ?? '';
    const isTrusted = (one: DoubtedSession): boolean => isOf(epochOf(one), one.held);
    const asked = doubted.filter((one) => !isTrusted(one));
    const rows = await tryReadRows(
      asked.map(({ session }) => session),
      Math.max(...asked.map((one) => Number(epochOf(one)))),
    );
    if (!rows) return doubted.map(asHeld);
    const compared = await Promise.all(asked.map((one, i) => compare(one, rows[i], epochOf(one))));
    return [...doubted.filter(isTrusted).map(asHeld), ...compared];
  };
}

function asHeld({ session, held }: DoubtedSession): Found {
  return { session, loaded: held, isChanged: false };
}
