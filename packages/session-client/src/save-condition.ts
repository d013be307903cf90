import { ABSENT_VERSION, type Epoch, type Lease, type LocatedSession, type Version } from '@cauce/protocol';
import type { LoadSessions } from './load-sessions.ts';
import { type Loaded, presentIn } from './loaded.ts';
import type { PartitionOpener } from './partition-opener.ts';

/**
 * What a compare-and-set has to hold against: a version, and the proof that it is the newest. That Redis has this
 * version, or no session, is not enough: since it was loaded Redis may have gone back to it, or the session may have
 * been saved, synced and evicted.
 */
export interface SaveCondition {
  /** `'0'`: no session; `'*'`: any, or none, if it is proven to be the newest. */
  readonly ifVersion: Version;
  /** In which the version was loaded. */
  readonly epoch?: Epoch | undefined;
  /** Under which no session was found. */
  readonly lease?: Lease | undefined;
}

/** What was loaded to be changed. */
export interface Basis {
  readonly loaded: Loaded;
  readonly condition: SaveCondition;
}

export type LoadBasis = (session: LocatedSession, signal: AbortSignal | undefined) => Promise<Basis>;

export interface LoadBasisDeps {
  readonly opener: Pick<PartitionOpener, 'epochOf'>;
  readonly loads: Pick<LoadSessions, 'one'>;
}

/** @returns a function that throws what a load throws */
export function createLoadBasis({ opener, loads }: LoadBasisDeps): LoadBasis {
  return async (session, signal) => {
    // Before it is loaded: what is loaded is of this epoch or a later one.
    const epoch = opener.epochOf(session.partition);
    const loaded = await loads.one(session, signal);
    const present = presentIn(loaded);
    const condition = present
      ? { ifVersion: present.version, epoch }
      : { ifVersion: ABSENT_VERSION, lease: 'lease' in loaded ? loaded.lease : undefined };
    return { loaded, condition };
  };
}
