import {
  InvalidOptionError,
  type LocatedSession,
  RedisError,
  type SaveLimits,
  type SaveReply,
  type Version,
} from '@cauce/protocol';
import { abortedBefore, raceAbort, refuseAborted } from './abort.ts';
import type { UntilDurable } from './durable-saves.ts';
import {
  AbortedError,
  SaveRejectedError,
  SaveUnknownError,
  StateTooLargeError,
  TenantBudgetError,
  VersionConflictError,
} from './errors.ts';
import { movedSave } from './moved-save.ts';
import type { PartitionOpener } from './partition-opener.ts';
import type { SendSave } from './save-batches.ts';
import type { SaveCondition } from './save-condition.ts';
import { type Durability, durabilities, type SaveContent, type SaveReceipt } from './save-receipt.ts';

export interface SaveOptions {
  /**
   * Save only if the session has this version, which `getUserSession` returned. `'0'`: only if there is no session, in
   * Redis or in the loader's store; this costs a load. Default: save without a condition. After a restart of Redis, load
   * the session again first.
   */
  readonly ifVersion?: Version | undefined;
  /**
   * Names this save. A save with the same id gets the first answer again and changes nothing, while it is among the
   * session's last four saves, in Redis or in its row: if the session is not in Redis, a save with an id of yours costs a
   * load. A save with neither `opId` nor `ifVersion` does not load, so after the session has left Redis it begins a new
   * list. What is not recognised is applied again; with an `ifVersion` that does not match, it ends as unknown, not as a
   * conflict, if this client has sent it before. 1 to 64 of `A-Z a-z 0-9 _ -`. Default: a random one.
   */
  readonly opId?: string | undefined;
  /** How far the save has come when this resolves. Default: the client's. */
  readonly durability?: Durability | undefined;
  /** Aborts the wait. A save that was sent may still be applied; the error says so. */
  readonly signal?: AbortSignal | undefined;
}

export type SaveSession = (
  session: LocatedSession,
  content: SaveContent,
  options: CheckedSaveOptions,
) => Promise<SaveReceipt>;

export type CheckedSaveOptions = SaveOptions & {
  readonly opId: string;
  /** The caller gave the op id: it may be a repetition. */
  readonly isNamed: boolean;
  readonly durability: Durability;
} & Partial<Pick<SaveCondition, 'epoch' | 'lease'>>;

export interface SaveDefaults {
  readonly newOpId: () => string;
  readonly durability: Durability;
  /** Whether the loader can write, which `durability: 'postgres'` needs. */
  readonly canCommit: boolean;
}

export interface SaveDeps {
  readonly opener: PartitionOpener;
  readonly sendSave: SendSave;
  readonly untilDurable: UntilDurable;
}

/**
 * @returns a function with four outcomes: a receipt (saved), SaveRejectedError (not saved), SaveUnknownError, and
 *   DurabilityError (saved in Redis; more is not known)
 */
export function createSaveSession(
  { opener, sendSave, untilDurable }: SaveDeps,
  { maxBytes, budgetBytes = 0 }: SaveLimits,
): SaveSession {
  return async (session, content, { ifVersion, epoch, lease, opId, durability, signal }) => {
    refuseAborted(signal);
    if (!opener.isOpen(session.partition)) {
      await raceAbort(openForSave(opener, session.partition), signal, abortedBefore);
      refuseAborted(signal);
    }
    const { state, isTombstone } = content;
    const call = { session, state, isTombstone, opId, ifVersion, epoch, lease };
    let reply: SaveReply;
    try {
      reply = await raceAbort(sendSave(call), signal, (aborted) => abortedSave(aborted, opId));
    } catch (error) {
      throw error instanceof RedisError ? saveFailure(error, opId) : error;
    }
    switch (reply.outcome) {
      case 'saved':
      case 'replayed': {
        const { version, outcome, period } = reply;
        const receipt: SaveReceipt = {
          version,
          opId,
          isReplay: outcome === 'replayed',
          durability: 'memory',
        };
        if (durability === 'memory') return receipt;
        const durable = untilDurable(session, { ...content, period }, receipt, durability);
        await raceAbort(durable, signal, (aborted) => abortedSave(aborted, opId));
        return { ...receipt, durability };
      }
      case 'conflict':
        throw new VersionConflictError(ifVersion ?? '', reply.version);
      case 'moved':
        throw movedSave(reply.mode);
      case 'too_large':
        throw new StateTooLargeError('state', reply.bytes, maxBytes);
      case 'over_budget':
        throw new TenantBudgetError(reply.bytes, budgetBytes);
      case 'failed':
        throw saveFailure(reply.error, opId);
    }
  };
}

/**
 * Fills in the op id and checks what the caller gave.
 *
 * @throws InvalidOptionError
 */
export function checkSaveOptions(
  options: SaveOptions,
  { newOpId, ...limits }: SaveDefaults,
): CheckedSaveOptions {
  const { opId = newOpId(), ifVersion, durability = limits.durability, signal } = options;
  if (typeof opId !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(opId)) {
    throw new InvalidOptionError('The opId is not 1 to 64 of A-Z a-z 0-9 _ -.');
  }
  if (ifVersion !== undefined && (typeof ifVersion !== 'string' || !/^\d{1,20}$/.test(ifVersion))) {
    throw new InvalidOptionError("The ifVersion is not a version: give getUserSession's, or '0'.");
  }
  if (!durabilities.includes(durability)) {
    throw new InvalidOptionError(`The durability is none of ${durabilities.join(', ')}.`);
  }
  if (durability === 'postgres' && !limits.canCommit) {
    throw new InvalidOptionError(
      "durability 'postgres' needs a loader that can write, as createPostgresLoader's.",
    );
  }
  return { opId, isNamed: options.opId !== undefined, ifVersion, durability, signal };
}

async function openForSave(opener: PartitionOpener, partition: number): Promise<void> {
  try {
    await opener.open([partition]);
  } catch (error) {
    // The save was not sent, even if the commands of the opener were.
    throw error instanceof RedisError ? new SaveRejectedError(error.failure, error) : error;
  }
}

function saveFailure(error: RedisError, opId: string): SaveRejectedError | SaveUnknownError {
  return error.failure.effect === 'refused'
    ? new SaveRejectedError(error.failure, error)
    : new SaveUnknownError(opId, error.failure, error);
}

/** For a save that was sent. */
export function abortedSave(signal: AbortSignal, opId: string): AbortedError {
  return new AbortedError(
    `The save was aborted after it had been sent: it may still be applied. Repeated soon with opId ${opId}, it is not saved twice.`,
    signal,
    opId,
  );
}
