import { ABSENT_VERSION, type Version } from '@cauce/protocol';
import {
  AbortedError,
  DurabilityError,
  notRecognised,
  SaveUnknownError,
  VersionConflictError,
} from './errors.ts';
import { presentIn } from './loaded.ts';
import type { Basis, LoadBasis, SaveCondition } from './save-condition.ts';
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
 * Saves with the caller's `ifVersion`. If the session has left Redis or was cleared, Redis alone cannot decide. Then the
 * session is loaded, and saved if the condition holds: `'0'` means that there is no session in either store.
 *
 * An op id is `unanswered` from SaveUnknownError, DurabilityError or AbortedError until a receipt. The repetition of
 * such a save never ends as a conflict, because the newer version may be its own first attempt. The same holds for a save
 * with the caller's op id if the session, and so the list of its last saves, is not in Redis.
 *
 * @returns a function that throws what a save throws, and what a load throws
 */
export function createConditionalSave({ save, loadBasis }: ConditionalSaveDeps): SaveSession {
  /** Session and op id. */
  const unanswered = new Set<string>();

  const saveIf: SaveSession = async (session, content, options) => {
    const { ifVersion = ABSENT_VERSION, opId, isNamed, signal } = options;
    let condition: SaveCondition = { ifVersion };
    let isForgotten = false;
    const conflict = (actual: Version): Error => {
      const error = new VersionConflictError(ifVersion, actual);
      return isForgotten ? notRecognised(opId, error) : error;
    };
    for (let loads = 0; ; loads++) {
      try {
        return await save(session, content, { ...options, ...condition });
      } catch (error) {
        if (!(error instanceof VersionConflictError)) throw error;
        const isOpen = error.actual === ABSENT_VERSION || ifVersion === ABSENT_VERSION;
        if (!isOpen || loads === MAX_LOADS) throw conflict(error.actual);
        isForgotten ||= isNamed && error.actual === ABSENT_VERSION;
      }
      const basis = await loadBasis(session, signal);
      if (!holds(ifVersion, basis)) {
        throw conflict(presentIn(basis.loaded)?.version ?? ABSENT_VERSION);
      }
      condition = basis.condition;
    }
  };

  return async (session, content, options) => {
    const { opId, ifVersion } = options;
    if (ifVersion === undefined) return save(session, content, options);
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

function holds(ifVersion: Version, { loaded }: Basis): boolean {
  const present = presentIn(loaded);
  if (ifVersion === ABSENT_VERSION) return !present || present.isTombstone;
  return present?.version === ifVersion;
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
