import { compareVersions } from '@cauce/protocol';
import { expect, it } from 'vitest';
import { snapshot } from './snapshot.ts';
import { cleanSession, createWorld, PARTITION, TTL_MS, versionInOneHour, type World } from './world.ts';

/** A clean session of an earlier epoch, and the present epoch. */
async function doubted(world: World): Promise<{ version: string; epoch: string }> {
  await world.open();
  const version = await cleanSession(world, world.session());
  return { version, epoch: await newEpoch(world) };
}

/** As after a restart. */
async function newEpoch(world: World): Promise<string> {
  await world.redis.hset(world.keyspace.meta(PARTITION), 'server', 'another server');
  const reply = await world.scripts.openPartition(PARTITION, { floor: '0', createGroup: true });
  return reply.outcome === 'mismatch' ? expect.fail(reply.outcome) : reply.epoch;
}

function newerRow(state = '{"from":"postgres"}') {
  return { state, version: versionInOneHour(), isTombstone: state === '' };
}

it.each(['no row', 'the same row', 'an older row'])(
  'with %s the session is trusted from now on',
  async (what) => {
    const world = createWorld();
    const { version, epoch } = await doubted(world);
    const before = await world.fields(world.session());
    const ttl = await world.redis.pttl(world.session().key);
    const rowVersion = what === 'the same row' ? version : '1763830000123000';
    const row = what === 'no row' ? undefined : { state: '{}', version: rowVersion, isTombstone: false };
    const call = { version, epoch, row, ttlMs: TTL_MS };
    expect(await world.scripts.confirm(world.session(), call)).toBe('confirmed');
    expect(await world.fields(world.session())).toEqual({ ...before, confirmedIn: epoch });
    expect(await world.redis.pttl(world.session().key)).toBeLessThanOrEqual(ttl);
  },
);

it.each(['{"from":"postgres"}', ''])(
  'P6 a clean session older than its row (%j) becomes the row, and later versions pass it',
  async (state) => {
    const world = createWorld();
    const { version, epoch } = await doubted(world);
    const row = newerRow(state);
    expect(await world.scripts.confirm(world.session(), { version, epoch, row, ttlMs: TTL_MS })).toBe(
      'adopted',
    );
    const tombstone = state === '' ? '1' : '0';
    expect(await world.fields(world.session())).toEqual({
      ...{
        state: state,
        version: row.version,
        dirty: '0',
        event: '',
        operations: '',
        tombstone: tombstone,
        savedIn: '',
        confirmedIn: epoch,
        expiresAtMs: '',
      },
    });
    expect(await world.redis.pttl(world.session().key)).toBeGreaterThan(TTL_MS - 5000);
    expect(compareVersions(await world.save(world.session('bo')), row.version)).toBeGreaterThan(0);
  },
);

it('P6 an unsynced session older than its row is left to the consumer, which keeps the loser', async () => {
  const world = createWorld();
  await world.open();
  const version = await world.save(world.session());
  const epoch = await newEpoch(world);
  const before = await world.fields(world.session());
  const call = { version, epoch, row: newerRow(), ttlMs: TTL_MS };
  expect(await world.scripts.confirm(world.session(), call)).toBe('outdated');
  expect(await world.fields(world.session())).toEqual(before);
});

it.each(['saved', 'deleted', 'evicted', 'of a later epoch'])(
  'P5 a session that was %s since its row was read is left as it is',
  async (what) => {
    const world = createWorld();
    const { version, epoch } = await doubted(world);
    if (what === 'saved') await world.save(world.session());
    if (what === 'deleted') await world.trySave(world.session(), { state: '', isTombstone: true });
    if (what === 'evicted') await world.redis.del(world.session().key);
    if (what === 'of a later epoch') await doubted(world);
    const before = await snapshot(world.redis, world.keyspace.keyPrefix);
    const held = (await world.fields(world.session())).version;
    const call = { version: what === 'of a later epoch' ? (held ?? '') : version, epoch };
    expect(await world.scripts.confirm(world.session(), { ...call, row: newerRow(), ttlMs: TTL_MS })).toBe(
      'superseded',
    );
    expect(await snapshot(world.redis, world.keyspace.keyPrefix)).toEqual(before);
  },
);

it.each(['was there', 'came since'])(
  'P6 an unsynced session that was saved since Redis had lost everything, and a newer row that %s then',
  async (when) => {
    const world = createWorld();
    const row = newerRow();
    const floor = when === 'was there' ? row.version : String(BigInt(row.version) - 1n);
    const open = async (): Promise<string> => {
      const reply = await world.scripts.openPartition(PARTITION, { floor, createGroup: true });
      return reply.outcome === 'mismatch' ? expect.fail(reply.outcome) : reply.epoch;
    };
    await open();
    await world.setFloor('5');
    const version = await world.save(world.session());
    await world.redis.hset(world.keyspace.meta(PARTITION), 'epochEndsAtMs', '1');
    const epoch = await open();
    const before = await world.fields(world.session());
    expect(before.savedIn).not.toBe(epoch);
    const call = { version, epoch, row, ttlMs: TTL_MS };
    const wins = when === 'was there';
    expect(await world.scripts.confirm(world.session(), call)).toBe(wins ? 'confirmed' : 'outdated');
    expect(await world.fields(world.session())).toEqual(wins ? { ...before, confirmedIn: epoch } : before);
  },
);

it('P6 being confirmed makes no session one that was saved on this server', async () => {
  const world = createWorld();
  await world.scripts.openPartition(PARTITION, { floor: versionInOneHour(), createGroup: true });
  const version = await world.save(world.session());
  const epoch = await newEpoch(world);
  await world.scripts.confirm(world.session(), { version, epoch, row: undefined, ttlMs: TTL_MS });
  expect(await world.takeOne(world.session())).toMatchObject({ outcome: 'dirty', winsOver: '0' });
});
