import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isCauceError } from '@cauce/session-client';
import type { Bot } from './bot.ts';
import type { TalkPlan } from './bot-messages.ts';

export interface SimulatedUsers {
  /** Messages that got no answer. */
  readonly unanswered: number;
  /** Resolves when every user has fallen silent. Rejects when the bot failed for good. */
  readonly finished: Promise<void>;
}

/** Every user waits for the bot's answer, thinks, and picks one of the choices, until `signal` is aborted. */
export function simulateUsers(bot: Bot, plan: TalkPlan, signal: AbortSignal): SimulatedUsers {
  let unanswered = 0;
  // Every user who thinks listens.
  setMaxListeners(plan.users + 1, signal);

  async function talk(index: number): Promise<void> {
    const tenantId = `tenant-${(index % plan.tenants) + 1}`;
    const userId = `user-${String(index + 1).padStart(4, '0')}`;
    let choices: readonly string[] = ['hello'];
    await think((plan.arrivalMs * index) / plan.users);
    while (!signal.aborted) {
      try {
        ({ choices } = await bot.onMessage(tenantId, userId, pick(choices)));
      } catch (error) {
        if (!isCauceError(error) || !error.retryable) throw error;
        unanswered += 1;
      }
      // Exponential: the arrivals of independent users. Capped, so that nobody is silent for the whole demo.
      await think(Math.min(-Math.log(1 - Math.random()), 4) * (1000 / plan.messagesPerSecond));
    }
  }

  const think = (durationMs: number): Promise<void> =>
    delay(durationMs, undefined, { signal }).catch(() => {});
  const finished = Promise.all(Array.from({ length: plan.users }, (_, index) => talk(index)));
  return {
    get unanswered() {
      return unanswered;
    },
    finished: finished.then(() => {}),
  };
}

function pick(choices: readonly string[]): string {
  return choices[Math.floor(Math.random() * choices.length)] ?? 'hello';
}
