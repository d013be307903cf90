import type { SessionRow } from '@cauce/postgres';
import type { WriterMode } from '@cauce/protocol';
import { describe, expect, inject, it } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { storeMode } from '../../helpers/writer-mode.ts';
import { connectClient, createDatabase, isWaitedFor, pidOf, sessionRow, userIds } from './rows.ts';

const takenIn = (period: string, partition = 0) => ({ partition, period });
const row = (userId: string, more: Partial<SessionRow> = {}): SessionRow => ({
  ...sessionRow(userId, 1),
  ...more,
});

describe('P10 a session that was taken from Redis', () => {
  it.each([
    // Mode, its period, the period in which the session was taken, whether it is written.
    ['redis', '7', '7', true],
    ['to_direct', '7', '7', true],
    ['redis', '7', '5', false],
    ['to_direct', '7', '5', false],
    ['redis', '7', '0', false],
    ['redis', '0', '0', true],
    ['direct', '7', '7', false],
    ['direct', '0', '0', false],
    ['to_redis', '7', '7', false],
  ])(
    'in mode %s of period %s, when it was taken in %s: written %s',
    async (mode, period, taken, isWritten) => {
      const { queries, pool, schema, table } = await createDatabase(inject('databaseUrl'));
      await storeMode(pool, { schema, partitions: 4, mode });
      await pool.query(`UPDATE "${schema}".session_mode SET period = $1`, [period]);
      const rows = [row('ana', { takenIn: takenIn(taken) })];
      expect(await queries.upsertSessions(rows)).toEqual(isWritten ? rows : []);
      expect(await queries.selectFencedSessions(rows)).toEqual(isWritten ? [] : rows);
      expect((await pool.query(`SELECT user_id FROM ${table}`)).rows).toHaveLength(isWritten ? 1 : 0);
    },
  );

  it('is written where no modes are stored, unless it was taken in a time that had one', async () => {
    const { queries } = await createDatabase(inject('databaseUrl'));
    const rows = [
      row('ana', { takenIn: takenIn('0') }),
      row('eva', { takenIn: takenIn('3') }),
      row('no period'),
    ];
    expect(userIds(await queries.upsertSessions(rows))).toEqual(['ana', 'no period']);
    expect(userIds(await queries.selectFencedSessions(rows))).toEqual(['eva']);
  });

  it('is not written without its period where modes are stored', async () => {
    const { queries, pool, schema } = await createDatabase(inject('databaseUrl'));
    await storeMode(pool, { schema, partitions: 4, mode: 'redis' });
    expect(await queries.upsertSessions([row('ana')])).toEqual([]);
    expect(await queries.selectFencedSessions([row('ana')])).toHaveLength(1);
  });

  it('is judged by its own partition, in one batch with others', async () => {
    const { queries, pool, schema } = await createDatabase(inject('databaseUrl'));
    await storeMode(pool, { schema, partitions: 4, mode: 'redis' });
    await pool.query(`UPDATE "${schema}".session_mode SET mode = 'direct' WHERE scope IN ('p:1', 'p:2')`);
    const rows = ['a', 'b', 'c', 'd'].map((name, i) => row(name, { takenIn: takenIn('0', i) }));
    expect(userIds(await queries.upsertSessions(rows))).toEqual(['a', 'd']);
  });
});

describe('P10 a change of the mode and a batch under way', () => {
  const change = { to: 'to_direct' as WriterMode, beginsPeriod: false, floor: undefined, actor: 'a test' };

  it('the batch that waited for the change sees it', async () => {
    const { queries, pool, schema } = await createDatabase(inject('databaseUrl'));
    await storeMode(pool, { schema, partitions: 4, mode: 'redis' });
    const changer = await connectClient(inject('databaseUrl'));
    await changer.query('BEGIN');
    await changer.query(`SELECT pg_advisory_xact_lock($1::regclass::oid::bigint << 32)`, [
      `"${schema}".session`,
    ]);
    const writing = queries.upsertSessions([row('ana', { takenIn: takenIn('0') })]);
    const pid = await pidOf(changer);
    await eventually(async () => expect(await isWaitedFor(pool, pid)).toBe(true));
    await changer.query(`UPDATE "${schema}".session_mode SET mode = 'direct', term = 2`);
    await changer.query('COMMIT');
    expect(await writing).toEqual([]);
  });

  it('the change waits for the batch', async () => {
    const { pool, queries, table } = await createDatabase(inject('databaseUrl'), { lockTimeoutMs: 10_000 });
    await queries.startModes({ partitions: 4, mode: 'redis', actor: 'a test' });
    const [from] = await queries.readModes();
    // The batch holds its lock while it waits for a row.
    await queries.upsertSessions([row('ana', { takenIn: takenIn('0') })]);
    const holder = await connectClient(inject('databaseUrl'));
    await holder.query('BEGIN');
    await holder.query(`SELECT FROM ${table} FOR UPDATE`);
    const batch = queries.upsertSessions([{ ...sessionRow('ana', 2), takenIn: takenIn('0') }]);
    const pid = await pidOf(holder);
    await eventually(async () => expect(await isWaitedFor(pool, pid)).toBe(true));
    let isChanged = false;
    const changing = queries.changeMode(from as NonNullable<typeof from>, change).then(() => {
      isChanged = true;
    });
    await eventually(async () =>
      expect(
        (await pool.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).rowCount,
      ).toBeGreaterThan(0),
    );
    expect(isChanged).toBe(false);
    await holder.query('ROLLBACK');
    expect(await batch).toHaveLength(1);
    await changing;
  });
});
