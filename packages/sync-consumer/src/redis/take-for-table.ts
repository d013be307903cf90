import { RedisError, type Scripts, type TableIdentity } from '@cauce/protocol';

export interface TakeForTableDeps {
  readonly scripts: Scripts;
  /** The one that is synced to; undefined before the partitions were opened. */
  readonly table: () => TableIdentity | undefined;
  /** Opens the partitions. What it throws ends the take. */
  readonly reopen: () => Promise<void>;
}

/**
 * Scripts whose `take` opens the partitions first when Redis was restarted, promoted or moved since: what a session was
 * saved before has to be known before it is held against its row. It does the same when the sessions were
 * moved to another table since; then opening refuses, and nothing is taken.
 */
export function takeForTable({ scripts, table, reopen }: TakeForTableDeps): Scripts {
  return {
    ...scripts,
    async take(partition, keys, call) {
      const take = () => scripts.take(partition, keys, { ...call, table: table()?.id });
      try {
        return await take();
      } catch (error) {
        if (!(error instanceof RedisError && error.failure.reason === 'NOTOPENED')) throw error;
        await reopen();
        return take();
      }
    },
  };
}
