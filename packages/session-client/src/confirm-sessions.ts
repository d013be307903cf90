import {
  compareVersions,
  type Epoch,
  type HeldSession,
  type LocatedSession,
  RedisError,
  type Scripts,
  type StoredSession,
} from '@cauce/protocol';
import type { PartitionOpener } from './partition-opener.ts';
import { isReadOnly } from './read-only.ts';
import type { SessionReader } from './read-sessions.ts';
import { areRows, type SessionLoader } from './session-loader.ts';

export interface FoundSession {
  readonly session: LocatedSession;
  readonly held: HeldSession;
}

/**
 * What a load does with sessions of an earlier epoch: Redis may have come back older than PostgreSQL, so the row is
 * looked at once. The newer of the two is what is loaded; `confirm.lua` says which one that is.
 *
 * While PostgreSQL cannot be asked it gives what Redis holds, and asks again a few seconds later: a restart of Redis
 * must not keep the bot from its sessions. Undefined: the session vanished meanwhile, as if it had been missed.
 */
export type ConfirmSessions = (found: readonly FoundSession[]) => Promise<(StoredSession | undefined)[]>;

/** Whether a session was saved, restored or confirmed in this epoch. */
export function isOf(epoch: Epoch, { savedIn, confirmedIn }: HeldSession): boolean {
  return savedIn === epoch || confirmedIn === epoch;
}

export interface ConfirmDeps {
  readonly opener: Pick<PartitionOpener, 'refreshEpoch' | 'syncedTo'>;
  readonly reader: Pick<SessionReader, 'read'>;
  readonly scripts: Pick<Scripts, 'confirm'>;
  readonly loader: SessionLoader;
  /** Handed to the loader. */
  readonly signal: AbortSignal;
  /** Monotonic clock, ms. */
  readonly now: () => number;
  /** How long an adopted session stays. */
  readonly newTtlMs: () => number;
}

/** After the loader failed nobody waits for it for so long, ms. */
const LOADER_REST_MS = 5000;
/** A session that is saved again and again meanwhile is given as it was read last. */
const MAX_ROUNDS = 3;

/** @returns a function that throws RedisError, CorruptSessionError, LayoutMismatchError; never for the loader */
export function createConfirmSessions(deps: ConfirmDeps): ConfirmSessions {
  const { opener, reader, scripts, loader, signal, now, newTtlMs } = deps;
  /** `epoch`: of the sessions that were asked for; a later one is worth another try at once. */
  let rest = { untilMs: Number.NEGATIVE_INFINITY, epoch: 0 };

  async function loadRows(
    sessions: readonly LocatedSession[],
    epoch: number,
  ): Promise<(StoredSession | undefined)[] | undefined> {
    if (now() < rest.untilMs && epoch <= rest.epoch) return undefined;
    try {
      const refs = sessions.map(({ ref }) => ref);
      const rows = await loader.load(refs, { signal, syncedTo: opener.syncedTo });
      if (areRows(rows, refs.length)) return rows;
    } catch {
      // As when it answers nonsense: what Redis has is served.
    }
    rest = { untilMs: now() + LOADER_REST_MS, epoch };
    return undefined;
  }

  /** Undefined: it was saved meanwhile. */
  async function confirm(
    { session, held }: FoundSession,
    row: StoredSession | undefined,
    epoch: string,
  ): Promise<StoredSession | undefined> {
    try {
      const call = { version: held.version, epoch, row, ttlMs: newTtlMs() };
      const outcome = await scripts.confirm(session, call);
      if (outcome === 'superseded') return undefined;
      return outcome === 'confirmed' ? held : row;
    } catch (error) {
      if (!(error instanceof RedisError && isReadOnly(error))) throw error;
      return row && compareVersions(row.version, held.version) > 0 ? row : held;
    }
  }

  return async (found) => {
    const confirmed = new Map<string, StoredSession | undefined>();
    let open = found;
    for (let round = 1; open.length > 0; round++) {
      const epochs = await refreshEpochs(open);
      const epochOf = ({ session }: FoundSession): string => epochs.get(session.partition) ?? '';
      const asked = open.filter((one) => !isOf(epochOf(one), one.held));
      const rows =
        round <= MAX_ROUNDS && asked.length > 0
          ? await loadRows(
              asked.map(({ session }) => session),
              Math.max(...asked.map((one) => Number(epochOf(one)))),
            )
          : undefined;
      for (const one of open) confirmed.set(one.session.key, one.held);
      if (!rows) break;
      const answers = await Promise.all(asked.map((one, i) => confirm(one, rows[i], epochOf(one))));
      asked.forEach(({ session }, i) => {
        confirmed.set(session.key, answers[i]);
      });
      const superseded = asked.filter((_, i) => answers[i] === undefined);
      const again = await Promise.all(
        superseded.map(async ({ session }) => ({ session, held: await reader.read(session) })),
      );
      open = again.flatMap(({ session, held }) => (held ? [{ session, held }] : []));
    }
    return found.map(({ session }) => confirmed.get(session.key));
  };

  async function refreshEpochs(open: readonly FoundSession[]): Promise<Map<number, string>> {
    const partitions = [...new Set(open.map(({ session }) => session.partition))];
    const epochs = await Promise.all(partitions.map((partition) => opener.refreshEpoch(partition)));
    return new Map(partitions.map((partition, i) => [partition, epochs[i] ?? '']));
  }
}
