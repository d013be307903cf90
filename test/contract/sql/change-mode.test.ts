import type { ModeChange, ModeQueries, PartitionMode } from '@cauce/postgres';
import { expect, inject, it } from 'vitest';
import { connectClient, createDatabase, type Database, sessionRow } from './rows.ts';

interface Modes extends Database {
  readonly modes: ModeQueries;
  mode(partition?: number): Promise<PartitionMode>;
}

async function modesOf(lockTimeoutMs = 2000): Promise<Modes> {
  const database = await createDatabase(inject('databaseUrl'), { lockTimeoutMs });
  const modes = database.queries;
  return {
    ...{ ...database, modes },
    async mode(partition = 0) {
      const found = (await modes.readModes()).find((one) => one.partition === partition);
      return found ?? expect.fail('no mode');
    },
  };
}

const to = (mode: ModeChange['to'], more: Partial<ModeChange> = {}): ModeChange => ({
  ...{ to: mode, beginsPeriod: false, floor: undefined, actor: 'ana' },
  ...more,
});
const start = { partitions: 4, mode: 'direct', actor: 'ana' } as const;

it('P10 modes are stored once, for all partitions, however many start at once', async () => {
  const { modes } = await modesOf();
  expect(await modes.readModes()).toEqual([]);
  const started = await Promise.all([
    modes.startModes(start),
    modes.startModes({ ...start, mode: 'redis', actor: 'eva' }),
  ]);
  expect(started.sort()).toEqual([0, 4]);
  const stored = await modes.readModes();
  expect(stored.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
  expect(new Set(stored.map(({ mode, changedBy }) => `${mode} ${changedBy}`)).size).toBe(1);
  expect(await modes.startModes(start)).toBe(0);
});

it('P10 of two who change the same mode at once one succeeds, and the other learns of it', async () => {
  const { modes, mode } = await modesOf();
  await modes.startModes(start);
  const before = await mode();
  const changes = await Promise.all([
    modes.changeMode(before, to('to_redis')),
    modes.changeMode(before, to('to_redis', { actor: 'eva' })),
  ]);
  expect(changes.filter((one) => one === undefined)).toHaveLength(1);
  expect(await mode()).toMatchObject({ mode: 'to_redis', term: '2', period: '0' });
  expect(await modes.changeMode(before, to('to_redis'))).toBeUndefined();
  expect(await modes.changeMode({ ...before, term: '2' }, to('redis'))).toBeUndefined();
  expect(await mode(1)).toMatchObject({ mode: 'direct', term: '1' });
});

it('P3 a change with a floor raises it to that version and to the clock, never down, and may begin a period', async () => {
  const { modes, mode, queries } = await modesOf();
  await modes.startModes(start);
  const row = sessionRow('ana', 1);
  await queries.upsertSessions([row]);
  await modes.changeMode(await mode(), to('to_redis'));
  const nowUs = BigInt(Date.now()) * 1000n;
  const opened = await modes.changeMode(
    await mode(),
    to('redis', { floor: row.version, beginsPeriod: true }),
  );
  expect(opened).toMatchObject({ term: '3', period: '3' });
  expect(BigInt(opened?.floor ?? 0) - nowUs).toBeGreaterThan(-5_000_000n);
  const ahead = String(nowUs + 3_600_000_000n);
  expect(await modes.changeMode(await mode(), to('to_direct', { floor: ahead }))).toMatchObject({
    floor: ahead,
  });
  expect(await modes.changeMode(await mode(), to('redis', { floor: row.version }))).toMatchObject({
    ...{ term: '5', period: '3', floor: ahead },
  });
});

it('a change does not wait for ever for a transaction that writes in the partition', async () => {
  const { modes, mode, schema } = await modesOf(100);
  await modes.startModes(start);
  const writer = await connectClient(inject('databaseUrl'));
  await writer.query('BEGIN');
  await writer.query(`SELECT * FROM "${schema}".session_fence(0, 4)`);
  await expect(modes.changeMode(await mode(), to('to_redis'))).rejects.toMatchObject({ code: '55P03' });
  expect(await modes.changeMode(await mode(1), to('to_redis'))).toBeDefined();
  await writer.query('ROLLBACK');
  expect(await modes.changeMode(await mode(), to('to_redis'))).toBeDefined();
});
