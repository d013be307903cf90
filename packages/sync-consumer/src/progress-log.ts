import type { Logger } from 'pino';

/** At most one line in this time. */
const EVERY_MS = 60_000;

export interface ProgressLogDeps {
  readonly logger: Logger;
  /** Monotonic clock, ms. */
  readonly now: () => number;
}

/**
 * Says in the log that sessions reach PostgreSQL: at once when the first are written, then once a minute while more
 * are, with how many since the line before. Returns a function to call after each pass.
 */
export function createProgressLog({ logger, now }: ProgressLogDeps): (written: number) => void {
  let writtenSince = 0;
  let nextLineAtMs = Number.NEGATIVE_INFINITY;
  return (written) => {
    writtenSince += written;
    if (writtenSince === 0 || now() < nextLineAtMs) return;
    logger.info({ written: writtenSince }, 'sessions were written to PostgreSQL');
    writtenSince = 0;
    nextLineAtMs = now() + EVERY_MS;
  };
}
