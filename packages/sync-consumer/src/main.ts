#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCauceError, withoutCredentials } from '@cauce/protocol';
import { ConfigurationError } from '@cauce/settings';
import closeWithGrace from 'close-with-grace';
import { Registry } from 'prom-client';
import { type HttpServer, type HttpServerDeps, startHttpServer } from './http-server.ts';
import { whenLauncherGone } from './launcher.ts';
import { createLogger } from './logger.ts';
import { type PeriodicSync, startPeriodicSync } from './periodic-sync.ts';
import { loadSettings, type SyncProgramSettings } from './settings.ts';
import { usage } from './usage.ts';

/** How long a stop may take; give an orchestrator a little more (Kubernetes' default is 30 s). */
const STOP_DEADLINE_MS = 10_000;
const EXIT_FAILURE = 1;
const EXIT_CONFIGURATION = 2;

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  if (args.length > 0) tell(args);
  let settings: SyncProgramSettings;
  try {
    settings = await loadSettings(process.env, (path) => readFile(path, 'utf8'));
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    refuse(error.message);
  }

  const logger = createLogger(settings.SYNC_LOG_LEVEL);
  const registry = settings.SESSION_METRICS_ENABLED ? new Registry() : undefined;
  let sync: PeriodicSync | undefined;
  // Before anything is synced: a port that cannot be used is a wrong setting.
  const http = await serve(settings, {
    registry,
    readiness: () => sync?.consumer.readiness ?? { isReady: false, reason: 'starting' },
  });
  const { SYNC_HTTP_PORT: askedPort } = settings;
  if (askedPort !== 0 && http.port !== askedPort) {
    logger.warn(
      { taken: askedPort, httpPort: http.port },
      'the default SYNC_HTTP_PORT is taken; /metrics and /readyz use a free port',
    );
  }
  const started = startPeriodicSync({
    redis: settings.REDIS_URL,
    database: settings.DATABASE_URL,
    settings,
    logger,
    registry,
  });
  sync = started;

  // A second signal ends the process at once.
  const graceful = closeWithGrace(
    { delay: STOP_DEADLINE_MS + 1000, logger: false },
    async ({ err, signal }) => {
      if (err) logger.fatal({ err }, 'stopping after an error');
      else logger.info({ signal }, 'stopping: finishing what is under way');
      await started.stop({ deadlineMs: STOP_DEADLINE_MS });
      await http.close();
      logger.info('stopped');
    },
  );

  started.finished.catch(async (error: unknown) => {
    logger.fatal({ err: error }, 'cannot go on without risking sessions');
    await started.stop({ deadlineMs: 0 });
    await http.close();
    graceful.uninstall();
    process.exit(isCauceError(error) ? EXIT_CONFIGURATION : EXIT_FAILURE);
  });
  // As a signal that npm did not pass on.
  whenLauncherGone({ env: process.env, parentPid: () => process.ppid }, () =>
    process.kill(process.pid, 'SIGTERM'),
  );
  logger.info(
    {
      redis: withoutCredentials(settings.REDIS_URL),
      postgres: withoutCredentials(settings.DATABASE_URL),
      syncIntervalMs: settings.SESSION_SYNC_INTERVAL,
      httpPort: http.port,
    },
    'started',
  );
}

/** A port that was set and cannot be used ends the process. */
function serve(
  { SYNC_HTTP_PORT: port, SYNC_HTTP_HOST: host }: SyncProgramSettings,
  deps: HttpServerDeps,
): Promise<HttpServer> {
  const isPortFixed = Boolean(process.env.SYNC_HTTP_PORT);
  return startHttpServer(deps, { port, host, isPortFixed }).catch(({ message }: Error) =>
    refuse(`SYNC_HTTP_PORT ${port} cannot be used (${message}): set another, or 0 for a free one.`),
  );
}

/** Answers a command line, which has no other use. */
function tell(args: readonly string[]): never {
  const isOneOf = (...flags: string[]): boolean => args.every((arg) => flags.includes(arg));
  if (isOneOf('--help', '-h')) process.stdout.write(usage());
  else if (isOneOf('--version', '-V')) process.stdout.write(`${readVersion()}\n`);
  else {
    process.stderr.write('cauce-sync takes its settings from the environment; see --help\n');
    process.exit(EXIT_CONFIGURATION);
  }
  process.exit(0);
}

function readVersion(): string {
  const manifest = readFileSync(join(import.meta.dirname, '../package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function refuse(why: string): never {
  process.stderr.write(`cauce-sync cannot start:\n${why.replace(/^/gm, '  ')}\n`);
  process.exit(EXIT_CONFIGURATION);
}
