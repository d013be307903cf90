// The fault matrix. Each fault knows whom it hits, breaks it, and has healed it when its promise resolves.
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from './history.mjs';
import { maintain } from './maintain.mjs';
import { between, pick } from './random.mjs';
import { refuseAll, refuseSome } from './refusals.mjs';
import { KEY_PREFIX, livelySessions, PARTITIONS, refOf, SCHEMA } from './sessions.mjs';

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {number} weight how many times in a round of the deck
 * @property {(random: () => number, fleets: object) => string} target at most one fault at a time hits the same one
 * @property {(context: { world: object, random: () => number, target: string }) => Promise<object | void>} strike
 *   may return what the checker needs to know
 */

const LONGEST_CUT_BYTES = 3000;

const onRedis = () => 'redis';
const onPostgres = () => 'postgres';
const onConsumer = (random, { consumers }) => `consumers ${between(random, 0, consumers.size - 1)}`;
const onBot = (random, { bots }) => `bots ${between(random, 0, bots.size - 1)}`;
const onProxy = (server) => (random) => `${pick(random, ['bots', 'consumers'])} to ${server}`;

/** @type {Fault[]} */
export const faults = [
  { name: 'consumer SIGKILL', weight: 5, target: onConsumer, strike: killAndStart },
  { name: 'consumer SIGTERM', weight: 1, target: onConsumer, strike: stopAndStart },
  { name: 'consumer SIGSTOP past claim idle', weight: 4, target: onConsumer, strike: pauseFor(1000, 2400) },
  { name: 'bot SIGKILL', weight: 3, target: onBot, strike: killAndStart },
  { name: 'bot SIGSTOP', weight: 2, target: onBot, strike: pauseFor(300, 1800) },
  { name: 'Redis SIGKILL', weight: 4, target: onRedis, strike: killRedis },
  { name: 'Redis SIGSTOP', weight: 2, target: onRedis, strike: pauseRedis },
  { name: 'Redis rewrites its AOF', weight: 1, target: onRedis, strike: ({ world }) => rewriteAof(world) },
  { name: 'Redis out of memory', weight: 2, target: onRedis, strike: outOfMemory('noeviction') },
  { name: 'Redis evicts all it may', weight: 2, target: onRedis, strike: outOfMemory('volatile-lru') },
  { name: 'PostgreSQL SIGKILL', weight: 2, target: onPostgres, strike: crashPostgres('SIGKILL') },
  { name: 'PostgreSQL immediate stop', weight: 2, target: onPostgres, strike: crashPostgres('SIGQUIT') },
  { name: 'PostgreSQL read-only', weight: 1, target: onPostgres, strike: readOnly },
  { name: 'PostgreSQL table locked', weight: 2, target: onPostgres, strike: lockTable },
  { name: 'PostgreSQL backends terminated', weight: 1, target: onPostgres, strike: terminateBackends },
  { name: 'PostgreSQL refuses some rows', weight: 2, target: onPostgres, strike: refuseSome },
  { name: 'PostgreSQL refuses all rows', weight: 1, target: onPostgres, strike: refuseAll },
  { name: 'PostgreSQL table rewritten and purged', weight: 1, target: onPostgres, strike: maintain },
  ...['redis', 'postgres'].flatMap((server) => [
    { name: `cut ${server}`, weight: 2, target: onProxy(server), strike: cut },
    { name: `replies of ${server} held, then cut`, weight: 2, target: onProxy(server), strike: holdAndCut },
    { name: `replies of ${server} held, then sent`, weight: 1, target: onProxy(server), strike: holdReplies },
    {
      name: `requests to ${server} held, then sent`,
      weight: 2,
      target: onProxy(server),
      strike: holdRequests,
    },
    { name: `${server} far away`, weight: 1, target: onProxy(server), strike: slowDown },
  ]),
  { name: 'SCRIPT FLUSH', weight: 2, target: onRedis, strike: ({ world }) => world.admin.script('FLUSH') },
  {
    name: 'XGROUP DESTROY',
    weight: 1,
    target: onRedis,
    strike: onStream((admin, key) => admin.xgroup('DESTROY', key, 'sync')),
  },
  { name: 'DEL of a stream', weight: 1, target: onRedis, strike: onStream((admin, key) => admin.del(key)) },
  {
    name: 'XTRIM',
    weight: 2,
    target: onRedis,
    strike: onStream((admin, key) => admin.xtrim(key, 'MAXLEN', 0)),
  },
  { name: 'XGROUP DELCONSUMER', weight: 2, target: onRedis, strike: deleteConsumers },
  { name: 'clock stepped back', weight: 2, target: onRedis, strike: stepClockBack },
];

/**
 * What Redis itself lost is not restored, so these come only when they are asked for.
 * @type {Fault[]}
 */
export const lossyFaults = [
  { name: 'Redis loses its tail', weight: 8, target: onRedis, strike: killRedisAndCutTail },
];

function member(world, target) {
  const [fleet, i] = target.split(' ');
  return { fleet: world[fleet], i: Number(i) };
}

async function killAndStart({ world, random, target }) {
  const { fleet, i } = member(world, target);
  await fleet.end(i, 'SIGKILL');
  await delay(between(random, 0, 400));
  await fleet.start(i);
}

async function stopAndStart({ world, target }) {
  const { fleet, i } = member(world, target);
  await fleet.end(i, 'SIGTERM');
  await fleet.start(i);
}

function pauseFor(minMs, maxMs) {
  return async ({ world, random, target }) => {
    const { fleet, i } = member(world, target);
    fleet.pause(i);
    await delay(between(random, minMs, maxMs));
    fleet.resume(i);
  };
}

/**
 * Nobody reaches the new server before its version floors were read: they tell whether the append-only file had
 * everything that was acknowledged.
 */
async function killRedis({ world, random }, whileDown) {
  const { redis, proxies } = world;
  const links = [proxies.bots.redis, proxies.consumers.redis];
  await untilWritten(world.admin);
  for (const link of links) link.refuse();
  await redis.kill('SIGKILL');
  // Bots may still be reading answers it gave.
  await delay(between(random, 20, 300));
  const killedUs = nowUs();
  for (const link of links) link.cutConnections();
  whileDown?.();
  await redis.restart();
  const floors = await world.versionFloors();
  for (const link of links) await link.accept();
  return { redisRestart: { killedUs, floors, isCut: whileDown !== undefined } };
}

/** A power failure: what the operating system had not written to the disk is gone. Redis loads the rest. */
function killRedisAndCutTail({ world, random }) {
  return killRedis({ world, random }, () => {
    const folder = join(world.redis.dataDir, 'appendonlydir');
    const sequenceOf = (name) => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0);
    const [newest] = readdirSync(folder).sort((a, b) => sequenceOf(b) - sequenceOf(a));
    const file = join(folder, newest);
    const { size } = statSync(file);
    const cutBytes = Math.min(size, between(random, 1, LONGEST_CUT_BYTES));
    truncateSync(file, size - cutBytes);
    world.see("bytes cut off Redis' file", cutBytes);
  });
}

/**
 * With `everysec` Redis answers before it has written to its file while an fsync is under way, so a SIGKILL at that
 * moment loses what it acknowledged. That is Redis' promise, not Cauce's.
 */
async function untilWritten(admin) {
  for (let tries = 0; tries < 200; tries++) {
    const info = await admin.info('persistence');
    if (/aof_pending_bio_fsync:0/.test(info) && /aof_buffer_length:0/.test(info)) return;
    await delay(5);
  }
}

async function pauseRedis({ world, random }) {
  world.redis.pause();
  await delay(between(random, 200, 1800));
  world.redis.resume();
}

async function rewriteAof(world) {
  await world.admin.bgrewriteaof().catch(() => {});
}

function outOfMemory(policy) {
  return async ({ world, random }) => {
    const { admin } = world;
    await admin.config('SET', 'maxmemory-policy', policy);
    await admin.config('SET', 'maxmemory', '1');
    const endsAtMs = Date.now() + between(random, 500, 2500);
    while (Date.now() < endsAtMs) {
      if ((await world.countDirty()) === 0) world.see('drained while full');
      await delay(50);
    }
    await admin.config('SET', 'maxmemory', '0');
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
  };
}

function crashPostgres(signal) {
  return async ({ world, random }) => {
    await world.postgres.kill(signal);
    await delay(between(random, 0, 1500));
    await startAgain(world.postgres);
  };
}

/** The server's lock file may vanish while its readiness is looked at; then it runs, or starts the next time. */
async function startAgain(postgres) {
  for (let tries = 1; ; tries++) {
    try {
      await postgres.restart();
      return;
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

async function readOnly({ world, random }) {
  await world.pool.query('ALTER SYSTEM SET default_transaction_read_only = on');
  await world.pool.query('SELECT pg_reload_conf()');
  await delay(between(random, 500, 2500));
  await world.pool.query('ALTER SYSTEM RESET default_transaction_read_only');
  await world.pool.query('SELECT pg_reload_conf()');
}

async function lockTable({ world, random }) {
  const client = await world.pool.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${SCHEMA}.session IN ACCESS EXCLUSIVE MODE`);
    await delay(between(random, 500, 3500));
    await client.query('ROLLBACK');
  } finally {
    client.release();
  }
}

async function terminateBackends({ world }) {
  await world.pool.query(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'cauce-%' AND pid <> pg_backend_pid()`);
}

function linkOf(world, target) {
  const [who, , server] = target.split(' ');
  return world.proxies[who][server];
}

async function cut({ world, target }) {
  linkOf(world, target).cutConnections();
}

async function holdAndCut({ world, random, target }) {
  const link = linkOf(world, target);
  link.holdReplies();
  // Longer than the consumer's patience now and then.
  await delay(random() < 0.15 ? 6000 : between(random, 300, 2500));
  link.cutConnections();
  link.releaseReplies();
}

async function holdReplies({ world, random, target }) {
  const link = linkOf(world, target);
  link.holdReplies();
  await delay(between(random, 200, 1500));
  link.releaseReplies();
}

async function holdRequests({ world, random, target }) {
  const link = linkOf(world, target);
  link.holdRequests();
  await delay(between(random, 200, 2500));
  link.releaseRequests();
}

async function slowDown({ world, random, target }) {
  const link = linkOf(world, target);
  link.latencyMs = between(random, 20, 120);
  await delay(between(random, 1000, 2500));
  link.latencyMs = 0;
}

function onStream(spoil) {
  return async ({ world, random }) => {
    await spoil(world.admin, `${KEY_PREFIX}:{${between(random, 0, PARTITIONS - 1)}}:changes`);
  };
}

/** Entries that were pending for them are in nobody's list from now on. */
async function deleteConsumers({ world }) {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const key = `${KEY_PREFIX}:{${partition}}:changes`;
    const consumers = await world.admin.xinfo('CONSUMERS', key, 'sync').catch(() => []);
    for (const consumer of consumers) await world.admin.xgroup('DELCONSUMER', key, 'sync', consumer[1]);
  }
}

/**
 * Versions ten minutes ahead of the clock are what a clock leaves behind that was stepped back. The partition's dirty
 * sessions get such a version, as if they had been saved a moment before the step.
 */
async function stepClockBack({ world, random }) {
  const { admin, keyspace, history } = world;
  const partition = between(random, 0, PARTITIONS - 1);
  const moved = [];
  for (const session of livelySessions(world.startedUs).map((key) => keyspace.locate(refOf(key)))) {
    if (session.partition !== partition) continue;
    const [state, version, dirty] = await admin.hmget(session.key, 's', 'v', 'd');
    if (!state || dirty !== '1') continue;
    // Before it happens: the state may be seen with another version from now on.
    history.again({ n: JSON.parse(state).n });
    moved.push({ key: session.key, version });
  }
  const keys = [keyspace.hlc(partition), ...moved.map(({ key }) => key)];
  const count = await admin.eval(STEP_AHEAD, keys.length, ...keys, ...moved.map(({ version }) => version));
  world.see('sessions saved ahead of the clock', count);
}

const STEP_AHEAD = `
  local time, moved = redis.call('TIME'), 0
  local ahead = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('GET', KEYS[1]) or '0')) + 600000000
  for i = 2, #KEYS do
    local stored = redis.call('HMGET', KEYS[i], 'v', 'd')
    if stored[1] == ARGV[i - 1] and stored[2] == '1' then
      ahead, moved = ahead + 1, moved + 1
      redis.call('HSET', KEYS[i], 'v', string.format('%.0f', ahead))
    end
  end
  redis.call('SET', KEYS[1], string.format('%.0f', ahead))
  return moved`;
