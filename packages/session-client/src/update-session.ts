import { setTimeout as delay } from 'node:timers/promises';
import {
  ABSENT_VERSION,
  backoffMs,
  CONFLICT_BACKOFF,
  compareVersions,
  InvalidOptionError,
  type StoredSession,
} from '@cauce/protocol';
import { abortedBefore, raceAbort, refuseAborted } from './abort.ts';
import { DurabilityError, notRecognised, SaveUnknownError, VersionConflictError } from './errors.ts';
import { presentIn } from './loaded.ts';
import type { Basis, SaveCondition } from './save-condition.ts';
import type { Durability, SaveReceipt } from './save-receipt.ts';

export interface UpdateOptions {
  /** How often the save is tried before a conflict is thrown. 1 to 100. Default 10. */
  readonly maxAttempts?: number | undefined;
  /** How far the save has come when this resolves. Default: the client's. */
  readonly durability?: Durability | undefined;
  /** Aborts the wait. A save that was sent may still be applied; the error says so. */
  readonly signal?: AbortSignal | undefined;
}

export interface UpdateSteps<T> {
  load(): Promise<Basis>;
  decode(stored: StoredSession): Promise<T>;
  encode(state: T): Promise<string>;
  /** A new id for each attempt's save; the repetition of a save uses the same. */
  newOpId(): string;
  save(state: string, options: SaveCondition & { readonly opId: string }): Promise<SaveReceipt>;
  /** Resolves when the connection is back. */
  reconnected(): Promise<void>;
  /** 0 up to 1. */
  random(): number;
}

export const DEFAULT_UPDATE_ATTEMPTS = 10;

/** Compare-and-set: nothing that others save meanwhile is overwritten. */
export async function updateSession<T>(
  steps: UpdateSteps<T>,
  change: (state: T | undefined) => T | Promise<T>,
  { maxAttempts = DEFAULT_UPDATE_ATTEMPTS, signal }: UpdateOptions,
): Promise<SaveReceipt> {
  if (!Number.isInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > 100) {
    throw new InvalidOptionError(`maxAttempts is ${maxAttempts}; a whole number from 1 to 100 is needed.`);
  }
  let basis = await steps.load();
  let state = await changed(steps, change, basis);
  for (let attempt = 1; ; attempt++) {
    refuseAborted(signal);
    let pauseMs = backoffMs(CONFLICT_BACKOFF, attempt, steps.random());
    try {
      return await saveOnce(steps, state, basis.condition);
    } catch (error) {
      if (!(error instanceof VersionConflictError) || attempt >= maxAttempts) throw error;
      if (isBehind(error)) pauseMs = CONFLICT_BACKOFF.maxMs;
    }
    await raceAbort(delay(pauseMs), signal, abortedBefore);
    const before = basis.condition.ifVersion;
    basis = await steps.load();
    // A change that takes longer than a lease lasts is not made again for that.
    if (basis.condition.ifVersion !== before) state = await changed(steps, change, basis);
  }
}

async function changed<T>(
  steps: Pick<UpdateSteps<T>, 'decode' | 'encode'>,
  change: (state: T | undefined) => T | Promise<T>,
  { loaded }: Basis,
): Promise<string> {
  const stored = presentIn(loaded);
  const present = stored && !stored.isTombstone ? await steps.decode(stored) : undefined;
  return steps.encode(await change(present));
}

/** Redis came back older than the row that was loaded, and unsynced: a consumer adopts the row in a moment. */
function isBehind({ actual, expected }: VersionConflictError): boolean {
  return actual !== ABSENT_VERSION && compareVersions(actual, expected) < 0;
}

/** A save without an answer is repeated once, as the same save. */
async function saveOnce<T>(
  steps: UpdateSteps<T>,
  state: string,
  condition: SaveCondition,
): Promise<SaveReceipt> {
  const options = { ...condition, opId: steps.newOpId() };
  try {
    return await steps.save(state, options);
  } catch (unknown) {
    if (!(unknown instanceof SaveUnknownError)) throw unknown;
    try {
      return await repeat(steps, state, options);
    } catch (error) {
      // It was recognised.
      if (error instanceof DurabilityError) throw error;
      // The first one is recognised for four saves. To change the state again, or to have the caller repeat it, could apply
      // the change twice.
      if (error instanceof VersionConflictError) throw notRecognised(options.opId, error);
      throw new SaveUnknownError(options.opId, unknown.failure, unknown.cause, { isRepeatable: false });
    }
  }
}

/** A conflict may be with itself: if the session has left Redis, the load brings back the list of its last saves. */
async function repeat<T>(
  steps: UpdateSteps<T>,
  state: string,
  options: SaveCondition & { readonly opId: string },
): Promise<SaveReceipt> {
  await steps.reconnected();
  try {
    return await steps.save(state, options);
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    await steps.load();
    return steps.save(state, options);
  }
}
