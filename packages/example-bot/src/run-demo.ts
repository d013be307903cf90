import { randomBytes } from 'node:crypto';
import { startTcpProxy, type TcpProxy } from '@cauce/dev-services';
import { compareStores } from './compare-stores.ts';
import { measureDirectUpserts } from './direct-upserts.ts';
import { openStores } from './open-stores.ts';
import type { Screen } from './screen.ts';
import { withoutSettings } from './settings.ts';
import { startBotProcess } from './start-bot-process.ts';
import { startConsumerProcess } from './start-consumer-process.ts';
import { renderSummary } from './summary.ts';
import { talkThroughKill } from './talk-through-kill.ts';

export interface DemoOptions {
  readonly users: number;
  /** How long the users talk. */
  readonly seconds: number;
}

export interface DemoDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

const TENANTS = 5;
const MESSAGES_PER_SECOND = 2;
const ARRIVAL_MS = 3000;
/** A round trip to a database in another region. */
const DISTANCE_MS = 100;
const SYNC_INTERVAL_MS = 1000;
const CLAIM_IDLE_MS = 2000;
const PARTITIONS = 64;
const DIRECT = { upserts: 200, connections: 10 };

/**
 * Users talk to a bot; in the middle the sync consumer is killed and another one takes over; in the end the bot's
 * memory, Redis and PostgreSQL are compared. True when nothing is lost.
 *
 * @throws ChildFailure, ServerError, or the signal's reason; whatever it started has ended by then
 */
export async function runDemo({ users, seconds }: DemoOptions, deps: DemoDeps): Promise<boolean> {
  const { screen } = deps;
  const failed = new AbortController();
  const signal = AbortSignal.any([deps.signal, failed.signal]);
  const onFailure = (failure: Error): void => failed.abort(failure);
  // On servers that are not ours it must not meet anything, and it is removed in the end.
  const name = `demo_${randomBytes(4).toString('hex')}`;

  screen.say(
    `${users} users of ${TENANTS} tenants talk to a bot for ${seconds} s. Redis takes the saves. Every`,
  );
  screen.say(`${SYNC_INTERVAL_MS / 1000} s (by default 60 s) a consumer syncs them to a PostgreSQL`);
  screen.say(`that is ${DISTANCE_MS} ms away. Starting servers …`);
  await using stores = await openStores({
    env: deps.env,
    keyPrefix: name,
    partitions: PARTITIONS,
    schema: name,
    table: 'session',
    isTemporary: true,
    onNotice: (notice) => screen.say(notice),
  });
  signal.throwIfAborted();
  screen.say(`Servers: ${stores.description}.`);
  const settings = (route: TcpProxy): Record<string, string | undefined> => ({
    ...withoutSettings(deps.env),
    REDIS_URL: stores.redisUrl,
    DATABASE_URL: route.urlFor(stores.databaseUrl),
    SESSION_KEY_PREFIX: name,
    SESSION_PARTITIONS: String(PARTITIONS),
    SESSION_DB_SCHEMA: name,
    SESSION_SYNC_INTERVAL: String(SYNC_INTERVAL_MS),
    SYNC_CLAIM_IDLE: String(CLAIM_IDLE_MS),
    SYNC_HTTP_PORT: '0',
  });

  // Everybody is equally far from PostgreSQL; each on a route of its own, so that traffic is counted apart.
  await using syncRoute = await openRoute(stores.databaseUrl);
  await using restoreRoute = await openRoute(stores.databaseUrl);
  await using directRoute = await openRoute(stores.databaseUrl);
  const talk = await talkThroughKill(
    { users, tenants: TENANTS, messagesPerSecond: MESSAGES_PER_SECOND, arrivalMs: ARRIVAL_MS },
    seconds,
    {
      stores,
      screen,
      signal,
      startConsumer: () => startConsumerProcess({ env: settings(syncRoute), onFailure }),
      startBot: (plan) => startBotProcess({ plan, env: settings(restoreRoute), onFailure }),
    },
  );
  const comparison = await compareStores(talk.memory, stores);

  screen.say(`For comparison: ${DIRECT.upserts} of these saves as direct upserts …\n`);
  const direct = await measureDirectUpserts(talk.memory, {
    databaseUrl: directRoute.urlFor(stores.databaseUrl),
    schema: name,
    ...DIRECT,
  });
  signal.throwIfAborted();
  const traffic = { pipelineBytes: syncRoute.bytesToTarget, directBytes: directRoute.bytesToTarget };
  for (const line of renderSummary({ ...talk, direct, distanceMs: DISTANCE_MS, traffic, comparison })) {
    screen.say(line);
  }
  return comparison.differences.length === 0;
}

function openRoute(databaseUrl: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(databaseUrl);
  return startTcpProxy({ targetHost: hostname, targetPort: Number(port || 5432), latencyMs: DISTANCE_MS });
}
