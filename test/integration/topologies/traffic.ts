import type { SessionClient } from '@cauce/session-client';

export interface Save {
  readonly userId: string;
  readonly count: number;
  readonly outcome: 'saved' | 'rejected' | 'unknown';
  readonly version: string | undefined;
  readonly tookMs: number;
}

export interface Traffic {
  readonly saves: readonly Save[];
  /** Resolves at the next save that was acknowledged, of every user, having begun after this call. */
  untilAllSave(): Promise<void>;
  /** Ends the traffic. Rejects if a save failed in any other way than as rejected or unknown. */
  stop(): Promise<void>;
}

/** Each user saves a counter, again and again, as fast as answers come. */
export function startTraffic(
  sessions: SessionClient<{ count?: number }>,
  userIds: readonly string[],
): Traffic {
  const saves: Save[] = [];
  const waiting = new Set<{ readonly missing: Set<string>; readonly sinceMs: number; done(): void }>();
  let isStopping = false;

  async function talk(userId: string): Promise<void> {
    for (let count = 1; !isStopping; count++) {
      const startedMs = performance.now();
      let outcome: Save['outcome'] = 'saved';
      let version: string | undefined;
      try {
        ({ version } = await sessions.saveUserState(userId, { count }));
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== 'SAVE_REJECTED' && code !== 'SAVE_UNKNOWN') throw error;
        outcome = code === 'SAVE_UNKNOWN' ? 'unknown' : 'rejected';
      }
      saves.push({ userId, count, outcome, version, tookMs: performance.now() - startedMs });
      if (outcome === 'saved') tell(userId, startedMs);
      // As fast as a bot that tries again later; a tight loop would starve the connection.
      else await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  function tell(userId: string, startedMs: number): void {
    for (const wait of waiting) {
      if (startedMs < wait.sinceMs) continue;
      wait.missing.delete(userId);
      if (wait.missing.size === 0) wait.done();
    }
  }

  const ended = Promise.all(userIds.map(talk));
  ended.catch(() => {});
  return {
    saves,
    untilAllSave: () =>
      new Promise((resolve, reject) => {
        const wait = {
          missing: new Set(userIds),
          sinceMs: performance.now(),
          done: () => {
            waiting.delete(wait);
            resolve();
          },
        };
        waiting.add(wait);
        ended.catch(reject);
      }),
    async stop() {
      isStopping = true;
      await ended;
    },
  };
}

/** Longest a save took until it ended, whatever its outcome. */
export function slowest(saves: readonly Save[]): number {
  return Math.max(...saves.map(({ tookMs }) => tookMs));
}
