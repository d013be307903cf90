import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isCauceError, type SaveReceipt, type SessionName, type SessionRef } from '@cauce/session-client';
import type { BotSessions } from './bot.ts';
import type { Acknowledged } from './bot-messages.ts';
import type { ChatState } from './conversation.ts';

/** How long a save is repeated before the bot gives up. */
const GIVE_UP_MS = 20_000;
const PAUSE_MS = 50;

export interface RememberingSessions extends BotSessions {
  /** How often a save was not taken, and how often no answer came. */
  readonly repeats: { readonly rejected: number; readonly unknown: number };
  /** One for each session that was ever saved. */
  acknowledged(): Acknowledged[];
}

/**
 * Passes every call on, and keeps what was acknowledged last for each session: what the stores must have in the
 * end. A save whose outcome is not known is repeated under the same op id, so it is applied once.
 */
export function rememberSaves(sessions: BotSessions): RememberingSessions {
  const memory = new Map<string, Acknowledged>();
  const repeats = { rejected: 0, unknown: 0 };

  async function untilSaved(
    session: SessionName,
    state: ChatState | null,
    save: (opId: string) => Promise<SaveReceipt>,
  ): Promise<SaveReceipt> {
    const { tenantId, userId } = asRef(session);
    const key = `${tenantId}\n${userId}`;
    const opId = randomUUID();
    const giveUpAtMs = performance.now() + GIVE_UP_MS;
    for (let isSent = false; ; ) {
      try {
        const receipt = await save(opId);
        memory.set(key, { tenantId, userId, version: receipt.version, state, isUncertain: false });
        return receipt;
      } catch (error) {
        if (!isCauceError(error)) throw error;
        const isUnknown = error.code === 'SAVE_UNKNOWN';
        isSent ||= isUnknown;
        repeats[isUnknown ? 'unknown' : 'rejected'] += 1;
        if (!error.retryable || performance.now() > giveUpAtMs) {
          if (isSent) {
            const before = memory.get(key) ?? { tenantId, userId, version: '0', state: null };
            memory.set(key, { ...before, isUncertain: true });
          }
          throw error;
        }
      }
      await delay(PAUSE_MS * (0.5 + Math.random()));
    }
  }

  return {
    repeats,
    acknowledged: () => [...memory.values()],
    getUserState: (session, options) => sessions.getUserState(session, options),
    saveUserState: (session, state, options) =>
      untilSaved(session, state, (opId) => sessions.saveUserState(session, state, { ...options, opId })),
    clearUserState: (session, options) =>
      untilSaved(session, null, (opId) => sessions.clearUserState(session, { ...options, opId })),
  };
}

function asRef(session: SessionName): SessionRef {
  return typeof session === 'string' ? { tenantId: 'default', userId: session } : session;
}
