import {
  compareVersions,
  type Epoch,
  ErrorCause,
  type HeldSession,
  type LocatedSession,
  type Term,
} from '@cauce/protocol';
import { DurabilityError } from './errors.ts';
import type { PartitionOpener } from './partition-opener.ts';
import type { SessionReader } from './read-sessions.ts';
import type { ReplicatedSaves } from './replicated-saves.ts';
import type { Durability, SaveContent, SaveReceipt } from './save-receipt.ts';
import type { SessionLoader } from './session-loader.ts';

/** Waits until a save that Redis acknowledged has come as far as asked. @throws DurabilityError */
export type UntilDurable = (
  session: LocatedSession,
  saved: SavedContent,
  receipt: SaveReceipt,
  durability: Durability,
) => Promise<void>;

export interface SavedContent extends SaveContent {
  /** Of the writer mode in which Redis took it. */
  readonly period: Term;
}

export interface DurableSavesDeps {
  readonly opener: Pick<PartitionOpener, 'epochOf' | 'syncedTo'>;
  readonly replicated: ReplicatedSaves;
  readonly reader: Pick<SessionReader, 'read'>;
  readonly loader: SessionLoader | undefined;
  /** Handed to the loader. */
  readonly signal: AbortSignal;
}

export function createUntilDurable(deps: DurableSavesDeps): UntilDurable {
  const { opener, replicated, reader, loader, signal } = deps;

  async function untilCommitted(
    session: LocatedSession,
    { period, ...content }: SavedContent,
    { version, opId, isReplay }: SaveReceipt,
    epoch: Epoch,
  ): Promise<void> {
    const operation = `${opId}=${version}`;
    const overtakes = ({ version: newer, savedIn, operations }: HeldSession): boolean => {
      if (compareVersions(newer, version) <= 0) return false;
      const isOfRow = savedIn === '' && operations?.split(' ').includes(operation) === true;
      return isOfRow || (epoch !== '' && savedIn === epoch);
    };
    // The consumer does not write this version again, so the row needs all that Redis has of it: the last saves before this
    // one, too. And a repetition may be called with another state than the one that was saved.
    const held = await reader.read(session);
    const isHeld = held && (held.version === version || overtakes(held));
    const kept = isHeld ? held : isReplay ? undefined : { ...content, version, operations: operation };
    if (kept) {
      const { state, isTombstone, operations } = kept;
      const row = { state, isTombstone, version: kept.version, operations };
      const savedIn = { partition: session.partition, period };
      const call = { signal, syncedTo: opener.syncedTo, savedIn };
      const stored = await loader?.write?.(session.ref, row, call);
      if (stored === row.version) return;
    }
    // A newer row means a later save that came first; or a Redis that lost its floor, or that was not the primary any
    // more: then a consumer decides.
    const newest = await reader.read(session);
    if (newest && overtakes(newest)) return;
    throw ErrorCause.because('The row has another version than this save; a consumer corrects it.');
  }

  return async (session, saved, receipt, durability) => {
    if (durability === 'memory') return;
    const epoch = opener.epochOf(session.partition);
    try {
      if (durability === 'replica') await replicated.untilReplicated(session, receipt, epoch);
      else await untilCommitted(session, saved, receipt, epoch);
    } catch (error) {
      throw new DurabilityError(durability, receipt, error);
    }
  };
}
