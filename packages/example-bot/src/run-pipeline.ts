import { pause } from './interruption.ts';
import { openStores } from './open-stores.ts';
import type { Screen } from './screen.ts';
import { readSettings } from './settings.ts';
import { type BotProcess, startBotProcess } from './start-bot-process.ts';
import { startConsumerProcess } from './start-consumer-process.ts';
import { watchPipeline } from './watch-pipeline.ts';

export interface PipelineOptions {
  /** Whether a few users talk in the background. */
  readonly hasBot: boolean;
}

export interface PipelineDeps {
  /** Every setting in it counts; REDIS_URL and DATABASE_URL are used where set. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/** Often enough to watch it happen. */
const SYNC_INTERVAL_MS = 5000;
/** Two saves a second. */
const PLAN = { users: 5, tenants: 2, messagesPerSecond: 0.4, arrivalMs: 2000 };
const FOREVER_MS = 2 ** 31 - 1;

/** Keeps servers, a consumer and a few users running. @throws the signal's reason, or why a process failed */
export async function runPipeline({ hasBot }: PipelineOptions, deps: PipelineDeps): Promise<void> {
  const { screen } = deps;
  const failed = new AbortController();
  const signal = AbortSignal.any([deps.signal, failed.signal]);
  const onFailure = (failure: Error): void => failed.abort(failure);
  const values = readSettings(deps.env);

  screen.say('Starting servers …');
  await using stores = await openStores({
    env: deps.env,
    keyPrefix: values.SESSION_KEY_PREFIX,
    partitions: values.SESSION_PARTITIONS,
    schema: values.SESSION_DB_SCHEMA,
    table: values.SESSION_DB_TABLE,
    isTemporary: false,
    onNotice: (notice) => screen.say(notice),
  });
  signal.throwIfAborted();
  const env = {
    ...deps.env,
    REDIS_URL: stores.redisUrl,
    DATABASE_URL: stores.databaseUrl,
    SESSION_SYNC_INTERVAL: deps.env.SESSION_SYNC_INTERVAL || String(SYNC_INTERVAL_MS),
    // The port is learnt from what it logs at its start.
    SYNC_LOG_LEVEL: 'info',
  };
  await using consumer = await startConsumerProcess({ env, onFailure });
  await using bot: BotProcess | undefined = hasBot
    ? startBotProcess({ plan: PLAN, env, onFailure })
    : undefined;
  screen.say(`Running: ${stores.description}, cauce-sync (pid ${consumer.pid})${hasBot ? ', a bot' : ''}.

In another terminal:

  export REDIS_URL='${stores.redisUrl}'
  export DATABASE_URL='${stores.databaseUrl}'

  node packages/cli/dist/main.js status
  node packages/cli/dist/main.js verify

Metrics: ${consumer.httpUrl}/metrics   Health: ${consumer.httpUrl}/readyz

Ctrl-C ends all of it and removes what it started.`);
  await using _watch = watchPipeline({
    stores,
    botReport: () => bot?.report,
    consumer: () => `pid ${consumer.pid}`,
    show: (view) => screen.show(view),
  });
  for (;;) await pause(FOREVER_MS, signal);
}
