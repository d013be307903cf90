import type { Queries } from '@cauce/postgres';
import { Cron } from 'croner';
import type { Logger } from 'pino';
import { purgeHistory } from './purge-history.ts';

export interface SchedulePurgeDeps {
  readonly queries: Pick<Queries, 'countBlocks' | 'purgeSessions' | 'purgeConflicts'>;
  readonly logger: Logger;
}

/** At night in most places. */
const PURGE_HOUR = 3;

/**
 * Purges once a day, at a minute of this process's own so that several do not purge together. Returns the function
 * that ends it; the signal ends a purge under way.
 */
export function schedulePurge(
  { queries, logger }: SchedulePurgeDeps,
  { historyDays, signal }: { historyDays: number; signal: AbortSignal },
): () => void {
  const minute = Math.floor(Math.random() * 60);
  const cron = new Cron(`${minute} ${PURGE_HOUR} * * *`, { protect: true, unref: true }, async () => {
    try {
      logger.info(await purgeHistory(queries, { historyDays, signal }), 'purged old rows');
    } catch (err) {
      if (!signal.aborted) logger.error({ err }, 'the purge failed; the next one is tomorrow');
    }
  });
  return () => cron.stop();
}
