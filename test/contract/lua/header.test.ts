import { formatHeader, parseHeader, SESSION_HASH } from '@cauce/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createWorld, missedSession, PARTITION, parkedRecord, TTL_MS, type World } from './world.ts';

const opId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const rowVersion = fc.oneof(
  fc.bigInt(1n, 9_999_999n),
  fc.bigInt(1_763_830_000_000_000n, 1_763_839_999_999_999n),
);

/** What a bot, a consumer or a repair does to the session; each may find nothing to do. */
const steps: Record<string, (world: World, version: string, row: string) => Promise<unknown>> = {
  evict: ({ redis, session }) => redis.del(session().key),
  lease: (world) => missedSession(world, world.session()).catch(() => {}),
  async restore({ scripts, session, leaseOf }, _, row) {
    const lease = (await leaseOf(session())) ?? '';
    await scripts.restore(session(), { lease, state: '{}', version: row, isTombstone: false, ttlMs: TTL_MS });
  },
  async confirm({ scripts, session, redis, keyspace }, version, row) {
    const epoch = (await redis.hget(keyspace.meta(PARTITION), 'epoch')) ?? '';
    const found = { state: '', version: row, isTombstone: true };
    await scripts.confirm(session(), { version, epoch, row: found, ttlMs: TTL_MS });
  },
  settle: ({ settleOne, session }, version) => settleOne(session(), version),
  'settle an older one': ({ settleOne, session }) => settleOne(session(), '1'),
  park: ({ scripts, session }, version) =>
    scripts.park(session(), { version, record: parkedRecord(version, 1), eventIds: [] }),
  adopt: ({ scripts, session }, version, row) =>
    scripts.adopt(session(), {
      ...{ losingVersion: version, state: '{}', version: row, isTombstone: false, ttlMs: TTL_MS },
    }),
  reissue: ({ scripts, session }, version) =>
    scripts.reissue(session(), { expectedVersion: version, isDirty: false, floor: '0' }),
  resync: ({ scripts, session }) => scripts.resync(PARTITION, [session().key], { sinceVersion: '0' }),
  async sweep({ scripts, session, redis, keyspace }) {
    await redis.xtrim(keyspace.changes(PARTITION), 'MAXLEN', 0);
    await scripts.sweep(PARTITION, [session().key]);
  },
};

const step = fc.oneof(
  fc.record({ save: opId, isTombstone: fc.boolean() }),
  fc.record({ does: fc.constantFrom(...Object.keys(steps)), row: rowVersion }),
);

it('what the scripts write is what parseHeader reads and formatHeader writes, whatever happens to a session', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (history) => {
      const world = createWorld();
      await world.open();
      const session = world.session();
      for (const one of history) {
        const { version = '1' } = await world.fields(session);
        if ('save' in one) {
          const state = one.isTombstone ? '' : '{"n":1}';
          const call = { opId: one.save, state, isTombstone: one.isTombstone };
          const reply = await world.trySave(session, call);
          const header = parseHeader((await world.redis.hget(session.key, SESSION_HASH.header)) ?? '');
          expect(header).toMatchObject({ isDirty: expect.any(Boolean) });
          expect(header?.operations.slice(0, 4)).toContainEqual({
            opId: one.save,
            version: 'version' in reply ? reply.version : '',
          });
        } else await steps[one.does]?.(world, version, String(one.row));
        const [text, state] = await world.redis.hmget(session.key, SESSION_HASH.header, SESSION_HASH.state);
        expect(text === null).toBe(state === null);
        if (text == null) continue;
        const header = parseHeader(text) ?? expect.fail(`no header: ${text}`);
        expect(formatHeader(header)).toBe(text);
        expect(header.isTombstone).toBe(state === '');
        expect(header.operations.length).toBeLessThanOrEqual(4);
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

it('an expiry time in the header survives a save, a settle and a repair', async () => {
  const world = createWorld();
  await world.open();
  const session = world.session();
  let version = await world.save(session);
  await world.rewrite(session, { expiresAtMs: '1763830000123' });
  version = await world.save(session);
  await world.settleOne(session, version);
  await world.scripts.reissue(session, { expectedVersion: version, isDirty: false, floor: '0' });
  expect(await world.fields(session)).toMatchObject({ dirty: '1', expiresAtMs: '1763830000123' });
});

it.each([
  '',
  '5',
  '5 10',
  '5 10 1-1 7',
  '5 10 1-1 7 8',
  '05 10 1-1 7 8 ',
  '5 20 1-1 7 8 ',
  '4503599627370496 10 1-1 7 8 ',
  ' 5 10 1-1 7 8 ',
])('"%s" is no header', (text) => {
  expect(parseHeader(text)).toBeUndefined();
});
