import { startRedis } from '@cauce/dev-services';
import { openRedis } from '@cauce/protocol';
import type { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { MAX_BATCH_SAVES } from '../../../packages/session-client/src/save-batches.ts';
import { eventually } from '../../helpers/eventually.ts';
import { connectRedis } from '../../helpers/isolated.ts';
import { ownEverySlot } from '../../helpers/one-node-cluster.ts';
import { isolatedClient } from './client.ts';

/** A client of a connection that counts the script calls it sends. */
async function countingClient({ url = inject('redisUrl') } = {}) {
  const {
    redis: opened,
    ready,
    close,
  } = openRedis(url, {
    connectionName: 'test',
    answerTimeoutMs: 5000,
    onError: () => {},
  });
  onTestFinished(close);
  await ready(5000);
  const connection = opened as Redis;
  const sendCommand = connection.sendCommand.bind(connection);
  let calls = 0;
  connection.sendCommand = (command, stream) => {
    if (command.name.startsWith('eval')) calls++;
    return sendCommand(command, stream);
  };
  const client = isolatedClient({ url, redis: connection });
  // Every partition is open before anything is counted.
  const users = Array.from({ length: 40 }, (_, i) => `user${i}`);
  await client.sessions.getUserStates(users);
  const countCalls = async (work: () => Promise<unknown>): Promise<number> => {
    calls = 0;
    await work();
    return calls;
  };
  return { ...client, connection, users, countCalls };
}

it('saves of one turn of the event loop leave in as few script calls as batches, whatever their partitions', async () => {
  const { sessions, users, countCalls } = await countingClient();
  const save = () =>
    Promise.all(users.map((user, count) => sessions.saveUserState(user, { step: user, count })));
  expect(await countCalls(save)).toBe(users.length / MAX_BATCH_SAVES);
  expect(await sessions.getUserStates(users)).toEqual(users.map((step, count) => ({ step, count })));
});

it('a save that is alone in its turn leaves at once', async () => {
  const { sessions, users, countCalls } = await countingClient();
  expect(
    await countCalls(async () => {
      for (const user of users.slice(0, 3)) await sessions.saveUserState(user, { step: 'x' });
    }),
  ).toBe(3);
});

it('saves with large states do not wait for each other', async () => {
  const { sessions, users, countCalls } = await countingClient();
  const step = 'x'.repeat(40_000);
  const save = () => Promise.all(users.slice(0, 6).map((user) => sessions.saveUserState(user, { step })));
  expect(await countCalls(save)).toBe(3);
});

it('P1 each save of a batch has an outcome of its own', async () => {
  const { sessions, redis, users, locate } = await countingClient();
  const [a = '', b = '', c = '', d = '', e = ''] = users;
  await sessions.saveUserState(e, { count: 0 });
  // Its lease, of the load before.
  await redis.del(locate(b).key);
  await redis.rpush(locate(b).key, 'no session');
  const { version } = await sessions.saveUserState(d, { count: 0 });
  const outcomes = await Promise.allSettled([
    sessions.saveUserState(a, { count: 1 }, { opId: 'one' }),
    sessions.saveUserState(b, { count: 1 }),
    sessions.saveUserState(c, { count: 1 }, { ifVersion: '7' }),
    sessions.saveUserState(d, { count: 1 }, { ifVersion: version }),
    sessions.clearUserState(e),
    sessions.saveUserState(a, { count: 1 }, { opId: 'one' }),
  ]);
  expect(outcomes).toMatchObject([
    { value: { opId: 'one', isReplay: false } },
    { reason: { code: 'SAVE_REJECTED', failure: { reason: 'WRONGTYPE' } } },
    { reason: { code: 'VERSION_CONFLICT' } },
    { value: { isReplay: false } },
    { value: { isReplay: false } },
    { value: { opId: 'one', isReplay: true } },
  ]);
  await redis.del(locate(b).key);
  expect(await sessions.getUserStates([a, b, c, d, e])).toEqual([
    { count: 1 },
    undefined,
    undefined,
    { count: 1 },
    undefined,
  ]);
});

it('P1 an answer that does not come leaves every save of the batch unknown, and each may be repeated', async () => {
  const { sessions, connection, users } = await countingClient();
  const some = users.slice(0, 5);
  const saves = some.map((user) => sessions.saveUserState(user, { step: user }, { opId: `op-${user}` }));
  const outcomes = Promise.allSettled(saves);
  // After the turn in which they are sent.
  await new Promise(setImmediate);
  connection.stream.destroy();
  for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'SAVE_UNKNOWN' } });
  const repeat = (user: string) => sessions.saveUserState(user, { step: user }, { opId: `op-${user}` });
  await eventually(async () => {
    await Promise.all(some.map(repeat));
  });
  expect(await sessions.getUserStates(some)).toEqual(some.map((step) => ({ step })));
});

it('F16 a cluster behind a connection to one server gets batches of one partition after its first refusal', async () => {
  const server = await startRedis({ appendOnly: false, extraArgs: ['--cluster-enabled', 'yes'] });
  onTestFinished(() => server.stop());
  await ownEverySlot(connectRedis(server.url));
  const { sessions, users, countCalls } = await countingClient({ url: server.url });
  const save = () => Promise.all(users.map((user) => sessions.saveUserState(user, { step: user })));
  await save();
  expect(await sessions.getUserStates(users)).toEqual(users.map((step) => ({ step })));
  // Four partitions of about ten users each: two batches of each.
  expect(await countCalls(save)).toBeLessThanOrEqual(8 + 4);
});
