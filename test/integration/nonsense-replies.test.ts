import {
  checkLayout,
  listParked,
  listPending,
  readHeartbeats,
  readStatus,
  resync,
  showParked,
} from '@cauce/admin';
import { createKeyspace, createScripts, hostClocks, isCauceError, RedisError } from '@cauce/protocol';
import { createSessionClient, SaveUnknownError } from '@cauce/session-client';
import { syncToDB } from '@cauce/sync-consumer';
import { Redis } from 'ioredis';
import { expect, inject, onTestFinished, test } from 'vitest';
import { createPipeline } from '../helpers/pipeline.ts';
import { bulk, healthyInfo, respServer } from '../helpers/resp-server.ts';

const ana = { tenantId: 'acme', userId: 'ana' };
/** What open-partition answers. */
const opened = `*7\r\n${['opened', '1', '7', '7', '', '', ''].map(bulk).join('')}`;
const nonsense = [
  '+OK\r\n',
  ':1\r\n',
  '$-1\r\n',
  '*0\r\n',
  '*-1\r\n',
  bulk(''),
  bulk('whatever'),
  '*1\r\n*1\r\n:7\r\n',
];
const falseReceipts = [
  'saved',
  'saved ',
  'saved abc',
  'saved 1e300',
  'saved 9007199254740992',
  'saved 0',
  'SAVED 5',
  'saved 5\nsaved 6',
  'too_large x',
  'conflict',
  'saved 5 x',
  'saved 5 6 7',
  'moved',
  'moved direct',
  'moved direct x',
  'moved redis 7',
  'moved paused 7',
];

function openClient(redis: string) {
  const client = createSessionClient({ redis, commandTimeoutMs: 2000 });
  onTestFinished(() => client.close());
  return client;
}

function callsOf(client: ReturnType<typeof openClient>): Record<string, () => Promise<unknown>> {
  return {
    save: () => client.saveUserState(ana, { step: 1 }),
    clear: () => client.clearUserState(ana),
    update: () => client.updateUserState(ana, () => ({ step: 1 })),
    load: () => client.getUserState(ana),
    loadMany: () => client.getUserStates([ana, 'bo']),
    tenant: () => client.getTenantInfo('acme', async () => ({ plan: 'free' })),
    invalidateTenant: () => client.invalidateTenant('acme'),
  };
}

async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  return call().then(
    (value) => expect.fail(`it gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** Like Redis but for what `answer` gives: INFO and the opening of a partition are as they should be. */
function nearlyRedis(answer: (command: string) => string): Promise<string> {
  return respServer((command, args) => {
    if (command === 'INFO') return healthyInfo;
    if (command === 'CLIENT' || command === 'SCRIPT') return '+OK\r\n';
    // Its two keys begin with meta; those of the scripts of these tests do not.
    const isOpening = command.startsWith('EVAL') && args[1] === '2' && args[2]?.endsWith(':meta');
    return isOpening ? opened : answer(command);
  });
}

test('a server that says OK to everything: nothing is saved, and every call says so', async () => {
  const client = openClient(await respServer(() => '+OK\r\n'));
  for (const [name, call] of Object.entries(callsOf(client))) {
    expect(await failureOf(call), name).toMatchObject({ code: 'REDIS_UNSAFE' });
  }
});

test.each([...nonsense, ...falseReceipts.map(bulk)])(
  'a save that is answered with %j is unknown, and can be repeated',
  async (reply) => {
    const client = openClient(await nearlyRedis(() => reply));
    for (const name of ['save', 'clear'] as const) {
      const error = await failureOf(callsOf(client)[name] ?? expect.fail());
      expect(error, name).toBeInstanceOf(SaveUnknownError);
      expect(error).toMatchObject({
        retryable: true,
        opId: expect.any(String),
        failure: { effect: 'unknown', reason: 'BADREPLY' },
      });
    }
  },
);

test.each(['+OK\r\n', ':1\r\n', '*0\r\n', '*1\r\n*1\r\n:7\r\n', '*5\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n'])(
  'a load that is answered with %j fails: it is no "no session"',
  async (reply) => {
    const client = openClient(await nearlyRedis(() => reply));
    const calls = callsOf(client);
    for (const name of ['load', 'loadMany', 'update'] as const) {
      const error = await failureOf(calls[name] ?? expect.fail());
      expect(error, name).toMatchObject({ code: 'REDIS_REFUSED', failure: { reason: 'BADREPLY' } });
    }
  },
);

test.each(nonsense)('every script refuses to believe %j', async (reply) => {
  const redis = new Redis(await respServer((command) => (command === 'INFO' ? healthyInfo : reply)));
  onTestFinished(() => redis.disconnect());
  const keyspace = createKeyspace({ partitions: 1 });
  const scripts = createScripts({ redis, keyspace }, { timeoutMs: 2000 });
  const session = keyspace.locate(ana);
  const row = { state: '{}', version: '5', isTombstone: false };
  const record = {
    version: '5',
    sqlState: '22P02',
    attempts: 1,
    firstSeenMs: 1,
    lastSeenMs: 1,
    retryAtMs: 1,
  };
  const calls: Record<string, () => Promise<unknown>> = {
    // Each save of a call is judged for itself.
    save: async () => {
      const [told] = await scripts.save([{ session, ...row, opId: 'op' }], { maxBytes: 10 });
      if (told?.outcome === 'failed') throw told.error;
    },
    lease: () => scripts.lease(session, { token: 't', leaseTtlMs: 1 }),
    restore: () => scripts.restore(session, { ...row, lease: '7:t', ttlMs: 1 }),
    confirm: () => scripts.confirm(session, { version: '5', epoch: '7', row, ttlMs: 1 }),
    take: () => scripts.take(0, [session.key]),
    settle: () =>
      scripts.settle(0, [{ key: session.key, written: '5', eventIds: [] }], { ttlMs: 1, takenAtUs: '1' }),
    park: () => scripts.park(session, { version: '5', record, eventIds: [] }),
    sweep: () => scripts.sweep(0, [session.key]),
    adopt: () => scripts.adopt(session, { ...row, losingVersion: '4', ttlMs: 1 }),
    reissue: () => scripts.reissue(session, { expectedVersion: '5', isDirty: false, floor: '0' }),
    resync: () => scripts.resync(0, [session.key], { sinceVersion: '0' }),
    discard: () => scripts.discard(session, { version: '5' }),
    openPartition: () => scripts.openPartition(0, { floor: '0', createGroup: true }),
    install: () => scripts.install(0, { mode: 'redis', term: '3', period: '3', floor: '0', epoch: '7' }),
    seal: () => scripts.seal(0, { term: '4' }),
    forgetConsumer: () => scripts.forgetConsumer(0, { consumer: 'c' }),
    cacheTenant: () => scripts.cacheTenant('acme', { token: 't', info: '{}', ttlMs: 1 }),
  };
  expect(Object.keys(calls).sort()).toEqual(Object.keys(scripts).sort());
  for (const [name, call] of Object.entries(calls)) {
    const error = await failureOf(call);
    expect(error, name).toBeInstanceOf(RedisError);
    expect(error, name).toMatchObject({ failure: { effect: 'unknown', reason: 'BADREPLY' } });
  }
});

test.each(['+OK\r\n', ':-1\r\n', '*0\r\n', '*1\r\n:7\r\n'])(
  'a consumer and the tools sync and show nothing of a server that answers %j',
  async (reply) => {
    const pipeline = await createPipeline({ partitions: 1 });
    const url = await nearlyRedis(() => reply);
    const database = inject('databaseUrl');
    const redis = new Redis(url);
    onTestFinished(() => redis.disconnect());
    const { keyspace, queries, settings } = pipeline;
    const deps = { ...hostClocks, redis, keyspace, queries };
    const scripts = createScripts({ redis, keyspace }, { timeoutMs: 2000 });
    const signal = AbortSignal.timeout(20_000);
    const calls: Record<string, () => Promise<unknown>> = {
      syncToDB: () => syncToDB({ redis: url, database, settings, signal }),
      checkLayout: () => checkLayout(deps),
      readStatus: () => readStatus(deps, { sampleMs: 0 }),
      listPending: () => listPending(deps),
      listParked: () => listParked(deps),
      showParked: () => showParked(deps, ana),
      resync: () => resync({ ...deps, scripts }, { sinceVersion: '0', batchRows: 10, signal }),
      readHeartbeats: () => readHeartbeats(redis, keyspace),
    };
    for (const [name, call] of Object.entries(calls)) {
      // An empty list is how Redis says that there are no heartbeats.
      if (name === 'readHeartbeats' && reply === '*0\r\n') continue;
      const error = await failureOf(call);
      expect(isCauceError(error), `${name}: ${error}`).toBe(true);
      expect(String(error), name).toContain('BADREPLY');
    }
  },
);
