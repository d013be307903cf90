import type { SessionClient, SessionRef } from '@cauce/session-client';
import { type ChatState, converse, type Reply } from './conversation.ts';

/** The calls of the session client that this bot needs. */
export type BotSessions = Pick<SessionClient<ChatState>, 'getUserState' | 'saveUserState' | 'clearUserState'>;

export interface Bot {
  /**
   * Answers one message. The messages of one user come one after the other; where they may overlap, use
   * `updateUserState`, which applies the change to what is there by then.
   *
   * @throws CauceError; when it is `retryable` the platform may deliver the message again
   */
  onMessage(tenantId: string, userId: string, text: string): Promise<Reply>;
}

/** A bot for many tenants: whatever it knows of a user is in the session, so any instance can answer. */
export function createBot(sessions: BotSessions): Bot {
  return {
    async onMessage(tenantId, userId, text) {
      const session: SessionRef = { tenantId, userId };
      const { reply, state } = converse(await sessions.getUserState(session), text, Date.now());
      if (state) await sessions.saveUserState(session, state);
      else await sessions.clearUserState(session);
      return reply;
    },
  };
}
