// The real sync consumer, with pauses at the boundaries of a batch's life.
import { createPool } from '@cauce/postgres';
import { createLogger, readSettings, startPeriodicSync } from '@cauce/sync-consumer';
import { maybePause, maybeStall } from './buggify.mjs';
import { watchReplies } from './watch-replies.mjs';
import { watchStatements } from './watch-statements.mjs';

watchReplies();
const settings = readSettings(process.env);
const logger = createLogger('debug');
// The process' own pool, but for its patience: a run is too short for 15 s.
const database = createPool({
  databaseUrl: settings.DATABASE_URL,
  maxConnections: settings.SYNC_BATCHES_IN_FLIGHT + 1,
  connectTimeoutMs: 2000,
  queryTimeoutMs: 4000,
  onError: () => {},
});
watchStatements(database);
const sync = startPeriodicSync({
  redis: settings.REDIS_URL,
  database,
  settings,
  logger,
  async onPhase(phase) {
    if (phase === 'read') await maybePause(0.1, 100);
    if (phase === 'taken') {
      await maybePause(0.25, 250);
      maybeStall(0.004, settings.SYNC_CLAIM_IDLE, 2 * settings.SYNC_CLAIM_IDLE);
    }
    if (phase === 'committed') {
      await maybePause(0.15, 150);
      maybeStall(0.002, settings.SYNC_CLAIM_IDLE, 2 * settings.SYNC_CLAIM_IDLE);
    }
  },
});
process.on('SIGTERM', () => {
  void sync.stop().then(() => process.exit(0));
});
await sync.finished;
