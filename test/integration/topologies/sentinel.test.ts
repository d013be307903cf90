import { type SentinelGroup, startSentinelGroup } from '@cauce/dev-services';
import { openRedis } from '@cauce/protocol';
import { createSessionClient, type SessionClient } from '@cauce/session-client';
import { Redis } from 'ioredis';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { createCli, secretState } from '../../cli/cli.ts';
import { spawnCauceSync } from '../../helpers/consumer-process.ts';
import { eventually } from '../../helpers/eventually.ts';
import { expectSynced, saveUsers, userIds } from '../../helpers/expect-synced.ts';
import { uniqueName } from '../../helpers/isolated.ts';
import { slowest, startTraffic } from './traffic.ts';

const COMMAND_TIMEOUT_MS = 1000;
/** What the loop that settles a promise may be late by on a busy machine. */
const SLACK_MS = 3000;
const DOWN_AFTER_MS = 1000;
const users = Array.from({ length: 8 }, (_, i) => `u${i}`);

let group: SentinelGroup;

beforeAll(async () => {
  group = await startSentinelGroup({ downAfterMs: DOWN_AFTER_MS });
  return () => group.stop();
});

function openSessions(
  keyPrefix = uniqueName(),
  commandTimeoutMs = COMMAND_TIMEOUT_MS,
): SessionClient<{ count?: number }> {
  const sessions = createSessionClient<{ count?: number }>({
    redis: group.url,
    keyPrefix,
    commandTimeoutMs,
  });
  onTestFinished(() => sessions.close());
  return sessions;
}

/** How long a primary may be silent before the sentinels promote a replica. */
async function allowSilence(downAfterMs: number): Promise<void> {
  for (const { port } of group.sentinels) {
    const sentinel = new Redis(port);
    await sentinel.call('SENTINEL', 'SET', group.masterName, 'down-after-milliseconds', downAfterMs);
    sentinel.disconnect();
  }
}

const options = { connectionName: 'topology-test', answerTimeoutMs: 1000, onError: () => {} };

it('a client saves, loads and updates', async () => {
  const sessions = openSessions();
  await sessions.saveUserState('ana', { count: 1 });
  await sessions.updateUserState('ana', ({ count = 0 } = {}) => ({ count: count + 1 }));
  expect(await sessions.getUserState('ana')).toEqual({ count: 2 });
});

it('kill -9 of the primary: every save ends, and they succeed again without a restart of the client', async () => {
  const keyPrefix = uniqueName();
  const sessions = openSessions(keyPrefix);
  const traffic = startTraffic(sessions, users);
  await traffic.untilAllSave();
  const old = await group.primary();
  await old.kill();
  await group.untilFailedOver(old);
  const promotedMs = performance.now();
  await traffic.untilAllSave();
  const resumedAfterMs = performance.now() - promotedMs;
  await traffic.stop();

  expect(resumedAfterMs).toBeLessThan(10_000);
  expect(slowest(traffic.saves)).toBeLessThan(COMMAND_TIMEOUT_MS + SLACK_MS);
  expect(traffic.saves.some(({ outcome }) => outcome !== 'saved')).toBe(true);
  for (const userId of users) {
    const acknowledged = traffic.saves.filter((save) => save.userId === userId && save.outcome === 'saved');
    const versions = acknowledged.map(({ version }) => BigInt(version ?? 0));
    expect(versions).toEqual([...versions].sort((a, b) => (a < b ? -1 : 1)));
    expect(await openSessions(keyPrefix).getUserState(userId)).toEqual({
      count: traffic.saves.findLast((save) => save.userId === userId)?.count,
    });
  }
  await old.restart();
  await group.untilReplica(old);
});

it('a primary that hangs is left when it owes an answer for too long, and gets no save when it wakes', async () => {
  const sessions = openSessions();
  const traffic = startTraffic(sessions, users);
  await traffic.untilAllSave();
  const old = await group.primary();
  old.pause();
  await group.untilFailedOver(old);
  await traffic.untilAllSave();
  await traffic.stop();
  const savedSince = traffic.saves.findLast(({ userId }) => userId === 'u0');
  old.resume();
  await sessions.saveUserState('u0', { count: -1 });
  await group.untilReplica(old);

  expect(slowest(traffic.saves)).toBeLessThan(COMMAND_TIMEOUT_MS + SLACK_MS);
  expect(savedSince?.outcome).toBe('saved');
  expect(await sessions.getUserState('u0')).toEqual({ count: -1 });
});

it('a client that connected to a primary while it hung is not answered by it when it wakes', async () => {
  const keyPrefix = uniqueName();
  await openSessions(keyPrefix).saveUserState('ana', { count: 1 });
  const old = await group.primary();
  old.pause();
  // The sentinels still name it and its kernel takes the connection; the client waits until it wakes.
  const late = openSessions(keyPrefix, 20_000);
  await group.untilFailedOver(old);
  const others = openSessions(keyPrefix);
  await others.saveUserState('ana', { count: 2 });
  old.resume();
  expect(await eventually(() => late.getUserState('ana'))).toEqual({ count: 2 });
  await late.saveUserState('ana', { count: 3 });
  expect(await others.getUserState('ana')).toEqual({ count: 3 });
  await group.untilReplica(old);
});

it('the consumer process and cauce follow a failover: what a replica had is synced, and what is saved since', async () => {
  const cli = await createCli({ redisUrl: group.url, partitions: 16 });
  const sync = await spawnCauceSync(cli, { SESSION_SYNC_INTERVAL: '1000' });
  const acknowledged = await saveUsers(cli, userIds(100), secretState({ step: 'before' }));
  await expectSynced(cli, acknowledged);
  await saveUsers(cli, userIds(50), secretState({ step: 'not synced yet' }), acknowledged);
  expect(await cli.redis.wait(1, 1000)).toBe(1);
  const old = await group.primary();
  // Or a replica is promoted while `status` looks, and answers it.
  await allowSilence(600_000);
  await old.kill();
  expect((await cli.run(['status'])).code).toBe(4);
  await allowSilence(DOWN_AFTER_MS);
  await group.untilFailedOver(old);
  await eventually(() => saveUsers(cli, userIds(20), secretState({ step: 'since' }), acknowledged));
  await expectSynced(cli, acknowledged);
  expect((await cli.runJson(['verify'])).json).toMatchObject({ checked: 100, different: 0 });
  expect(await sync.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  await old.restart();
  await group.untilReplica(old);
});

it('ready and close work, and say what is wrong', async () => {
  const opened = openRedis(group.url, options);
  await opened.ready(5000);
  const primary = new Redis((await group.primary()).url);
  onTestFinished(() => primary.disconnect());
  const names = async (): Promise<string> => String(await primary.client('LIST'));
  expect(await names()).toContain('name=topology-test');
  await opened.close();
  await expect(opened.ready(100)).rejects.toThrow('closed');
  await eventually(async () => expect(await names()).not.toContain('name=topology-test'));

  const unknownName = openRedis(`${group.url}-of-nobody`, options);
  await expect(unknownName.ready(300)).rejects.toMatchObject({
    failure: { effect: 'refused', reason: 'NOT_CONNECTED' },
    cause: { message: expect.stringContaining('No such master') },
  });
  await unknownName.close();
  const nobody = openRedis('redis+sentinel://127.0.0.1:1,127.0.0.1:2/cauce', options);
  await expect(nobody.ready(300)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('All sentinels are unreachable') },
  });
  await nobody.close();
});
