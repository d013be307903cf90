import {
  isCauceError,
  isVersion,
  type LocatedSession,
  MAX_VERSION,
  rowOperations,
  type StoredSession,
} from '@cauce/protocol';
import { RestoreError } from './errors.ts';
import type { PartitionOpener } from './partition-opener.ts';
import type { SessionLoader } from './session-loader.ts';

/**
 * Asks the loader once for all.
 *
 * @param sessions distinct
 * @returns in the order asked; undefined: there is no row
 * @throws RestoreError when the loader fails or does not answer as it should: it may be the user's own, and not typed
 */
export type ReadRows = (sessions: readonly LocatedSession[]) => Promise<(StoredSession | undefined)[]>;

export interface ReadRowsDeps {
  readonly loader: SessionLoader;
  readonly opener: Pick<PartitionOpener, 'syncedTo'>;
  /** Handed to the loader. */
  readonly signal: AbortSignal;
}

export function createReadRows({ loader, opener, signal }: ReadRowsDeps): ReadRows {
  return async (sessions) => {
    if (sessions.length === 0) return [];
    let rows: (StoredSession | undefined)[];
    try {
      const refs = sessions.map(({ ref }) => ref);
      rows = await loader.load(refs, { signal, syncedTo: opener.syncedTo });
    } catch (error) {
      if (isCauceError(error) && error.code === 'TABLE_MISMATCH')
        throw new RestoreError(error.message, error);
      throw new RestoreError('The session loader failed: it is not known whether there is a session.', error);
    }
    if (Array.isArray(rows) && rows.length === sessions.length && rows.every(isRow))
      return rows.map(withKnownOperations);
    throw new RestoreError(
      'The session loader did not answer with one session or undefined for each ref, with a state and with a ' +
        `version from 1 to ${MAX_VERSION}. Correct the row: see docs/failure-modes.md.`,
    );
  };
}

/** What is not a list of operations says of none that it was applied. */
function withKnownOperations(row: StoredSession | undefined): StoredSession | undefined {
  return row && { ...row, operations: rowOperations(row.operations) };
}

function isRow(row: StoredSession | undefined): boolean {
  if (row === undefined) return true;
  if (row === null) return false;
  const { state, version } = row as Partial<Record<keyof StoredSession, unknown>>;
  return typeof state === 'string' && isVersion(version);
}
