import { ABSENT_VERSION, ANY_VERSION, type StoredSession, type Version } from '@cauce/protocol';
import {
  AbortedError,
  DurabilityError,
  notRecognised,
  RestoreError,
  SaveUnknownError,
  VersionConflictError,
} from './errors.ts';
import { presentIn } from './loaded.ts';
import type { LoadBasis, SaveCondition } from './save-condition.ts';
import type { SaveReceipt } from './save-receipt.ts';
import type { SaveSession } from './save-session.ts';

export interface ConditionalSaveDeps {
  readonly save: SaveSession;
  readonly loadBasis: LoadBasis;
}

/** How often the condition is looked at again before a conflict is thrown. */
const MAX_LOADS = 3;
/** Of saves whose outcome is not known; the oldest are forgotten. */
const MAX_UNANSWERED = 10_000;

/**
 * Saves with the caller's `ifVersion` or op id; others go straight to Redis. If the session has left Redis, was cleared,
 * or is of an earlier epoch, Redis alone cannot decide. Then the session is loaded, and with it the list of its last
 * saves. It is saved unless the op id is among them, and if the condition holds: `'0'` means that there is no session in
 * either store.
 *
 * An op id is `unanswered` from SaveUnknownError, DurabilityError or AbortedError until a receipt. The repetition of
 * such a save never ends as a conflict, because the newer version may be its own first attempt. The same holds for a save
 * with the caller's op id if the session had to be loaded and its row has no list.
 *
 * @returns a function that throws what a save throws, and what a load throws
 */
export function createConditionalSave({ save, loadBasis }: ConditionalSaveDeps): SaveSession {
  /** Session and op id. */
  const unanswered = new Set<string>();

  const saveIf: SaveSession = async (session, content, options) => {
    const { ifVersion = ANY_VERSION, opId, isNamed, signal } = options;
    let condition: SaveCondition = { ifVersion };
    let isForgotten = false;
    let isLast = false;
    const conflict = (actual: Version): Error => {
      if (ifVersion === ANY_VERSION) return changedAlways();
      const error = new VersionConflictError(ifVersion, actual);
      return isForgotten ? notRecognised(opId, error) : error;
    };
    for (let loads = 0; ; loads++) {
      try {
        return await save(session, content, { ...options, ...condition });
      } catch (error) {
        if (!(error instanceof VersionConflictError)) throw error;
        const isOpen = isNamed || error.actual === ABSENT_VERSION || ifVersion === ABSENT_VERSION;
        if (!isOpen || isLast || loads === MAX_LOADS) throw conflict(error.actual);
      }
      const basis = await loadBasis(session, signal);
      const present = presentIn(basis.loaded);
      isForgotten = isNamed && present?.operations === undefined;
      if (ifVersion === ANY_VERSION) condition = { ...basis.condition, ifVersion };
      else if (holds(ifVersion, present)) condition = basis.condition;
      else if (isNamed && !isForgotten) {
        // Redis has the list now: asked once more, whether the save is in it.
        condition = { ifVersion };
        isLast = true;
      } else throw conflict(present?.version ?? ABSENT_VERSION);
    }
  };

  return async (session, content, options) => {
    const { opId, ifVersion, isNamed } = options;
    if (ifVersion === undefined && !isNamed) return save(session, content, options);
    const name = `${session.key} ${opId}`;
    let receipt: SaveReceipt;
    try {
      receipt = await saveIf(session, content, options);
    } catch (error) {
      if (isUnanswered(error)) remember(unanswered, name);
      if (error instanceof VersionConflictError && unanswered.has(name)) throw notRecognised(opId, error);
      throw error;
    }
    unanswered.delete(name);
    return receipt;
  };
}

function holds(ifVersion: Version, present: StoredSession | undefined): boolean {
  if (ifVersion === ABSENT_VERSION) return !present || present.isTombstone;
  return present?.version === ifVersion;
}

function changedAlways(): RestoreError {
  return new RestoreError('The session changed during each load; nothing was saved.');
}

function isUnanswered(error: unknown): boolean {
  if (error instanceof AbortedError) return error.opId !== undefined;
  return error instanceof SaveUnknownError || error instanceof DurabilityError;
}

function remember(names: Set<string>, name: string): void {
  names.add(name);
  const [oldest] = names;
  if (names.size > MAX_UNANSWERED && oldest !== undefined) names.delete(oldest);
}
