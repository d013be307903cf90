import { RedisError, type Scripts } from '@cauce/protocol';

/**
 * Scripts whose `take` opens the partitions first when Redis was restarted, promoted or moved since: what a session
 * was saved before has to be known before it is held against its row.
 */
export function reopenOnTake(scripts: Scripts, reopen: () => Promise<void>): Scripts {
  return {
    ...scripts,
    async take(...call) {
      try {
        return await scripts.take(...call);
      } catch (error) {
        if (!(error instanceof RedisError && error.failure.reason === 'NOTOPENED')) throw error;
        await reopen();
        return scripts.take(...call);
      }
    },
  };
}
