import { measureBacklog } from '@cauce/admin';
import type { Acknowledged, BotReport, TalkPlan } from './bot-messages.ts';
import { pause } from './interruption.ts';
import type { Stores } from './open-stores.ts';
import { formatDuration } from './quantities.ts';
import type { ConsumerCounters } from './scrape-consumer.ts';
import type { Screen } from './screen.ts';
import type { BotProcess } from './start-bot-process.ts';
import type { ConsumerProcess } from './start-consumer-process.ts';
import { watchPipeline } from './watch-pipeline.ts';

export interface TalkDeps {
  readonly stores: Pick<Stores, 'redis' | 'keyspace'>;
  readonly screen: Screen;
  /** Aborted by Ctrl-C, and when a process failed. */
  readonly signal: AbortSignal;
  readonly startConsumer: () => Promise<ConsumerProcess>;
  readonly startBot: (plan: TalkPlan) => BotProcess;
}

export interface TalkResult {
  readonly memory: readonly Acknowledged[];
  readonly report: BotReport;
  /** Of both consumers. What the killed one did in its last milliseconds is not counted. */
  readonly consumers: ConsumerCounters;
}

/** How long nobody syncs anything. */
const OUTAGE_MS = 1500;
const DRAIN_DEADLINE_MS = 30_000;

/**
 * Lets the users talk for `seconds`, kills the consumer halfway, starts another one, and waits until PostgreSQL
 * has everything. @throws ChildFailure, ServerError, or the signal's reason
 */
export async function talkThroughKill(plan: TalkPlan, seconds: number, deps: TalkDeps): Promise<TalkResult> {
  const { stores, screen, signal } = deps;
  await using first = await deps.startConsumer();
  let consumer = `pid ${first.pid}, running`;
  screen.say(`Started a consumer (pid ${first.pid}).`);
  await using bot = deps.startBot(plan);
  await using watch = watchPipeline({
    stores,
    botReport: () => bot.report,
    consumer: () => consumer,
    show: (view) => screen.show(view),
  });

  await pause((seconds * 1000) / 2, signal);
  const firstCounters = await first.counters();
  await first.kill();
  consumer = `pid ${first.pid}, KILLED`;
  screen.say(`Killed the consumer (kill -9 ${first.pid}). The bot does not notice; the queue grows.`);
  await pause(OUTAGE_MS, signal);
  await using second = await deps.startConsumer();
  consumer = `pid ${second.pid}, running`;
  screen.say(
    `Started another consumer (pid ${second.pid}). It takes over what the first one left unfinished.`,
  );
  await pause((seconds * 1000) / 2 - OUTAGE_MS, signal);

  const memory = await bot.stop();
  const { report } = bot;
  if (!report) throw new Error('The bot reported nothing.');
  const drainMs = await drain(stores, signal);
  await watch[Symbol.asyncDispose]();
  screen.keepBoard();
  screen.say(`The users are silent. Redis had nothing left to sync after ${formatDuration(drainMs)}.`);
  const secondCounters = await second.counters();
  await second.stop();
  return {
    memory,
    report,
    consumers: {
      rows: firstCounters.rows + secondCounters.rows,
      statements: firstCounters.statements + secondCounters.statements,
    },
  };
}

/** Waits until PostgreSQL has everything. Returns how long that took, ms. */
async function drain(stores: Pick<Stores, 'redis' | 'keyspace'>, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const { dirtySessions } = await measureBacklog(stores.redis, stores.keyspace);
    const elapsedMs = performance.now() - startedMs;
    if (dirtySessions === 0) return elapsedMs;
    if (elapsedMs > DRAIN_DEADLINE_MS) {
      throw new Error(
        `${dirtySessions} sessions still wait ${DRAIN_DEADLINE_MS / 1000} s after the last save.`,
      );
    }
    await pause(20, signal);
  }
}
