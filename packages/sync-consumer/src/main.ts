#!/usr/bin/env node
import { isCauceError, withoutCredentials } from '@cauce/protocol';
import closeWithGrace from 'close-with-grace';
import { Registry } from 'prom-client';
import { ConfigurationError, readSettings } from './config.ts';
import { type HttpServer, startHttpServer } from './http-server.ts';
import { createLogger } from './logger.ts';
import { type PeriodicSync, startPeriodicSync } from './periodic-sync.ts';
import { usage } from './usage.ts';

/** How long a stop may take; give an orchestrator a little more (Kubernetes' default is 30 s). */
const STOP_DEADLINE_MS = 10_000;
const EXIT_FAILURE = 1;
const EXIT_CONFIGURATION = 2;

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  if (args.length > 0) {
    const isHelp = args.every((arg) => arg === '--help' || arg === '-h');
    process[isHelp ? 'stdout' : 'stderr'].write(
      isHelp ? usage() : `cauce-sync takes no arguments; see --help\n`,
    );
    process.exit(isHelp ? 0 : EXIT_CONFIGURATION);
  }
  let settings: ReturnType<typeof readSettings>;
  try {
    settings = readSettings(process.env);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`cauce-sync cannot start:\n${error.message.replace(/^/gm, '  ')}\n`);
    process.exit(EXIT_CONFIGURATION);
  }

  const logger = createLogger(settings.SYNC_LOG_LEVEL);
  const registry = settings.SESSION_METRICS_ENABLED ? new Registry() : undefined;
  const sync: PeriodicSync = startPeriodicSync({
    redis: settings.REDIS_URL ?? '',
    database: settings.DATABASE_URL ?? '',
    settings,
    logger,
    registry,
  });
  let http: HttpServer | undefined;

  // A second signal ends the process at once.
  const graceful = closeWithGrace(
    { delay: STOP_DEADLINE_MS + 1000, logger: false },
    async ({ err, signal }) => {
      if (err) logger.fatal({ err }, 'stopping after an error');
      else logger.info({ signal }, 'stopping: finishing what is under way');
      await sync.stop({ deadlineMs: STOP_DEADLINE_MS });
      await http?.close();
      logger.info('stopped');
    },
  );

  sync.finished.catch(async (error: unknown) => {
    logger.fatal({ err: error }, 'cannot go on without risking sessions');
    await sync.stop({ deadlineMs: 0 });
    await http?.close();
    graceful.uninstall();
    process.exit(isCauceError(error) ? EXIT_CONFIGURATION : EXIT_FAILURE);
  });
  try {
    http = await startHttpServer(
      { registry, readiness: () => sync.consumer.readiness },
      { port: settings.SYNC_HTTP_PORT, host: settings.SYNC_HTTP_HOST },
    );
  } catch (err) {
    logger.fatal({ err }, 'SYNC_HTTP_PORT cannot be used; set another, or 0 for a free one');
    await sync.stop({ deadlineMs: 0 });
    process.exit(EXIT_CONFIGURATION);
  }
  logger.info(
    {
      redis: withoutCredentials(settings.REDIS_URL ?? ''),
      postgres: withoutCredentials(settings.DATABASE_URL ?? ''),
      syncIntervalMs: settings.SESSION_SYNC_INTERVAL,
      httpPort: http.port,
    },
    'started',
  );
}
