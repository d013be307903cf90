import { type DirectTable, openDirectTable } from '@cauce/postgres/direct';
import { createKeyspace, type LocatedSession, type WriterMode } from '@cauce/protocol';
import pg from 'pg';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import { storeMode } from '../../helpers/writer-mode.ts';
import { connectClient, createDatabase, type Database, isWaitedFor, pidOf } from './rows.ts';

const keyspace = createKeyspace({ partitions: 4 });
const ana = keyspace.locate({ tenantId: 'acme', userId: 'ana' });

interface DirectDatabase extends Database {
  readonly direct: DirectTable;
  open(options?: { partitions?: number; pool?: pg.Pool }): DirectTable;
  setMode(mode: string): Promise<void>;
  row(session?: LocatedSession): Promise<Record<string, unknown> | undefined>;
}

async function directDatabase(mode = 'direct'): Promise<DirectDatabase> {
  const databaseUrl = inject('databaseUrl');
  const database = await createDatabase(databaseUrl);
  const { pool, schema, table } = database;
  const setMode = (next: string) => storeMode(pool, { schema, partitions: 4, mode: next });
  await setMode(mode);
  const open: DirectDatabase['open'] = ({ partitions = 4, pool: given } = {}) => {
    const source = given ? { pool: given } : { databaseUrl };
    const direct = openDirectTable({ ...source, schema, maxConcurrent: 16 }, { partitions });
    onTestFinished(() => direct.close());
    return direct;
  };
  return {
    ...database,
    ...{ open, setMode, direct: open() },
    row: async ({ ref } = ana) =>
      (
        await pool.query(
          `SELECT state, version::text AS version, operations FROM ${table} WHERE tenant_id = $1 AND user_id = $2`,
          [ref.tenantId, ref.userId],
        )
      ).rows[0],
  };
}

let count = 0;
const newOpId = (): string => `op-${count++}`;
const saveOf = (
  state: unknown,
  more: { opId?: string; ifVersion?: string; session?: LocatedSession } = {},
) => ({
  ...{ session: ana, state: JSON.stringify(state), opId: newOpId(), ifVersion: undefined },
  ...more,
});

describe('P10 the fence', () => {
  it.each(['to_redis', 'redis', 'to_direct'])(
    'refuses a save in mode %s, and writes nothing',
    async (mode) => {
      const { direct, row } = await directDatabase(mode);
      expect(await direct.save(saveOf(1))).toEqual({ outcome: 'moved', mode });
      expect(await row()).toBeUndefined();
    },
  );

  it('refuses a save where no mode is stored, and one that counts other partitions', async () => {
    const { direct, open, pool, schema } = await directDatabase();
    expect(await open({ partitions: 8 }).save(saveOf(1))).toEqual({ outcome: 'moved', mode: 'other_layout' });
    const [loaded] = await open({ partitions: 8 }).load([ana]);
    expect(loaded).toEqual({ mode: 'other_layout', term: '1', stored: undefined });
    await pool.query(`DELETE FROM "${schema}".session_mode`);
    expect(await direct.save(saveOf(1))).toEqual({ outcome: 'moved', mode: 'unknown' });
    expect(await direct.load([ana])).toEqual([{ mode: 'unknown', term: '0', stored: undefined }]);
  });

  it('lets the mode change only when the saves under way have ended, and none is written after it', async () => {
    const { queries, direct, row } = await directDatabase();
    const changeMode = async (to: WriterMode): Promise<void> => {
      const from = (await queries.readModes()).find(({ partition }) => partition === ana.partition);
      const change = { to, beginsPeriod: false, floor: undefined, actor: 'a test' };
      if (from) expect(await queries.changeMode(from, change)).toBeDefined();
    };
    let isOver = false;
    const outcomes = new Set<string>();
    const writers = Array.from({ length: 8 }, async () => {
      while (!isOver) outcomes.add((await direct.save(saveOf(1))).outcome);
    });
    const late: unknown[] = [];
    for (let i = 0; i < 40; i++) {
      await changeMode('redis');
      const before = (await row())?.version;
      // Behind those of the writers that were under way.
      await Promise.all(Array.from({ length: 8 }, () => direct.save(saveOf(3))));
      if ((await row())?.version !== before) late.push(i);
      await changeMode('direct');
      const saved = await direct.save(saveOf(2));
      expect(saved.outcome).toBe('saved');
    }
    isOver = true;
    await Promise.all(writers);
    expect(late).toEqual([]);
    expect([...outcomes].sort()).toEqual(['moved', 'saved']);
  });

  it('sees a change that was committed while it waited, whatever isolation the role has by default', async () => {
    const { open, pool, schema } = await directDatabase();
    const serializable = new pg.Pool({
      ...{ connectionString: inject('databaseUrl'), max: 1 },
      options: '-c default_transaction_isolation=serializable',
    });
    onTestFinished(() => serializable.end());
    const direct = open({ pool: serializable });
    const changer = await connectClient(inject('databaseUrl'));
    await changer.query('BEGIN');
    await changer.query(`SELECT pg_advisory_xact_lock(($1::regclass::oid::bigint << 32) | $2::integer)`, [
      `"${schema}".session`,
      ana.partition,
    ]);
    const saving = direct.save(saveOf(1));
    const pid = await pidOf(changer);
    await eventually(async () => expect(await isWaitedFor(pool, pid)).toBe(true));
    await changer.query(`UPDATE "${schema}".session_mode SET mode = 'redis', term = term + 1`);
    await changer.query('COMMIT');
    expect(await saving).toEqual({ outcome: 'moved', mode: 'redis' });
  });
});

describe('P3 the version', () => {
  it('is above the row it replaces, above the floor of the mode, and else the time', async () => {
    const { direct, pool, table, schema, row } = await directDatabase();
    const nowUs = BigInt(Date.now()) * 1000n;
    await direct.save(saveOf(1));
    const first = BigInt((await row())?.version as string);
    expect(first - nowUs).toBeGreaterThan(-5_000_000n);
    expect(first - nowUs).toBeLessThan(60_000_000n);
    await pool.query(`UPDATE ${table} SET version = $1`, [String(first + 3_600_000_000n)]);
    await direct.save(saveOf(2));
    expect((await row())?.version).toBe(String(first + 3_600_000_001n));
    await pool.query(`UPDATE "${schema}".session_mode SET floor = $1`, [String(first + 7_200_000_000n)]);
    await direct.save(saveOf(3));
    expect((await row())?.version).toBe(String(first + 7_200_000_001n));
  });

  it('of a deleted session goes on from its tombstone', async () => {
    const { direct, row } = await directDatabase();
    await direct.save(saveOf(1));
    const before = (await row())?.version as string;
    await direct.save({ ...saveOf(0), state: undefined });
    const tombstone = await row();
    expect(tombstone?.state).toBeNull();
    expect(BigInt(tombstone?.version as string)).toBeGreaterThan(BigInt(before));
    expect(await direct.save(saveOf(2, { ifVersion: '0' }))).toMatchObject({ outcome: 'saved' });
  });

  it('that cannot be counted on from refuses the save', async () => {
    const { direct, pool, table } = await directDatabase();
    await direct.save(saveOf(1));
    await pool.query(`UPDATE ${table} SET version = 4503599627370495`);
    expect(await direct.save(saveOf(2))).toMatchObject({
      outcome: 'failed',
      failure: { effect: 'refused', retryable: false, reason: '23514' },
    });
  });
});

describe('an op id', () => {
  it('is recognised among the last four saves, however many share its beginning', async () => {
    const { direct, row } = await directDatabase();
    const versions: string[] = [];
    for (const opId of ['a', 'aa', 'a-a', 'a_a']) {
      const reply = await direct.save(saveOf(opId, { opId }));
      if (reply.outcome === 'saved') versions.push(reply.version);
    }
    expect((await row())?.operations).toBe(
      `a_a=${versions[3]} a-a=${versions[2]} aa=${versions[1]} a=${versions[0]}`,
    );
    for (const [i, opId] of ['a', 'aa', 'a-a', 'a_a'].entries()) {
      const repeated = saveOf('other', { opId, ifVersion: '7' });
      expect(await direct.save(repeated)).toEqual({ outcome: 'replayed', version: versions[i] });
    }
    expect((await row())?.state).toBe('a_a');
    await direct.save(saveOf(5));
    expect(await direct.save(saveOf(6, { opId: 'a' }))).toMatchObject({ outcome: 'saved' });
  });
});

describe('a save that the table does not take as given', () => {
  it.each([
    ['keeps it out', 'RETURN NULL;'],
    ['changes its version', 'NEW.version := NEW.version + 1; RETURN NEW;'],
  ])('because a trigger %s is refused, and nothing is written', async (_, body) => {
    const { direct, pool, schema, table, row } = await directDatabase();
    await direct.save(saveOf(1));
    await pool.query(
      `CREATE FUNCTION "${schema}".spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
       CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION "${schema}".spoil()`,
    );
    const eva = keyspace.locate({ tenantId: 'acme', userId: 'eva' });
    for (const session of [ana, eva]) {
      expect(await direct.save(saveOf(2, { session }))).toMatchObject({
        outcome: 'failed',
        failure: { effect: 'refused', retryable: false, reason: '23000' },
      });
    }
    expect([(await row())?.state, await row(eva)]).toEqual([1, undefined]);
  });

  it('because a policy hides its row is refused, and so is its load', async () => {
    const { open, pool, schema, table } = await directDatabase();
    const role = `r${schema}`;
    await pool.query(
      `CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA "${schema}" TO ${role};
       GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA "${schema}" TO ${role};
       ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
       CREATE POLICY hide ON ${table} USING (false) WITH CHECK (true)`,
    );
    onTestFinished(async () => {
      await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    });
    const url = new URL(inject('databaseUrl'));
    const bound = new pg.Pool({ connectionString: url.href, max: 1, options: `-c role=${role}` });
    onTestFinished(() => bound.end());
    const direct = open({ pool: bound });
    expect(await direct.save(saveOf(1))).toMatchObject({
      outcome: 'failed',
      failure: { effect: 'refused', reason: '42501' },
    });
    await expect(direct.load([ana])).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
  });
});
