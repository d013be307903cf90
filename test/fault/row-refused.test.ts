import { createLogger } from '@cauce/sync-consumer';
import { expect, test } from 'vitest';
import { companion } from '../helpers/companion.ts';
import { eventually } from '../helpers/eventually.ts';
import {
  type Acknowledged,
  expectRows,
  expectSynced,
  refOf,
  saveUsers,
  userIds,
} from '../helpers/expect-synced.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';
import { createConsumerRole } from '../helpers/postgres-role.ts';
import { sessionTexts } from '../helpers/session-hash.ts';

const users = userIds(100);

/** What was parked, by user id. */
async function parked({ redis, keyspace }: Pipeline): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (let partition = 0; partition < keyspace.partitions; partition++) {
    for (const [key, text] of Object.entries(await redis.hgetall(keyspace.parked(partition)))) {
      found[keyspace.parse(key)?.ref.userId ?? key] = JSON.parse(text).sqlState;
    }
  }
  return found;
}

/** For each row, before it is written: `body` of a trigger. */
async function addTrigger({ pool, table, settings }: Pipeline, body: string): Promise<void> {
  const name = `"${settings.SESSION_DB_SCHEMA}".guard`;
  await pool.query(
    `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$;
     CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${name}()`,
  );
}

async function dropTrigger({ pool, table }: Pipeline): Promise<void> {
  await pool.query(`DROP TRIGGER guard ON ${table}`);
}

/** All but those parked are in their rows, and those are nowhere else. */
async function expectOthersWritten(
  pipeline: Pipeline,
  acknowledged: Acknowledged,
  expected: Record<string, string>,
): Promise<void> {
  await eventually(async () => {
    expect(await parked(pipeline)).toEqual(expected);
    expect(await pipeline.countDirty()).toBe(Object.keys(expected).length);
  }, 20_000);
  for (const [userId, { version }] of acknowledged) {
    const row = await pipeline.row(refOf(userId));
    if (userId in expected) expect(row?.version, userId).not.toBe(version);
    else expect(row, userId).toMatchObject({ version });
  }
}

test.each(['42501', '55000', 'XX000', '42P01', '0A000', 'P0001'])(
  'a trigger refuses one row of 101 with %s: it alone is parked, its neighbours are written (P9)',
  async (code) => {
    const pipeline = await createPipeline();
    await addTrigger(
      pipeline,
      `IF NEW.user_id = 'bad' THEN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END IF;`,
    );
    const acknowledged = await saveUsers(pipeline, [...users, 'bad'], { step: 1 });
    const sync = pipeline.startSync();
    await expectOthersWritten(pipeline, acknowledged, { bad: code });
    expect(sync.consumer.readiness).toEqual({ isReady: true });
  },
);

test('a policy refuses two rows of 102: they alone are parked, their neighbours are written (P9)', async () => {
  const pipeline = await createPipeline();
  const role = await createConsumerRole(pipeline);
  await pipeline.pool.query(
    `ALTER TABLE ${pipeline.table} ENABLE ROW LEVEL SECURITY;
     CREATE POLICY guard ON ${pipeline.table} TO ${role.name} USING (true) WITH CHECK (user_id NOT LIKE 'bad%')`,
  );
  const acknowledged = await saveUsers(pipeline, [...users, 'bad1', 'bad2'], { step: 1 });
  const sync = pipeline.startSync({}, { database: role.url });
  await expectOthersWritten(pipeline, acknowledged, { bad1: '42501', bad2: '42501' });
  expect(sync.consumer.readiness).toEqual({ isReady: true });
});

test('a grant is taken away while it runs: nothing is parked, and all is written once it is back (P9)', async () => {
  const pipeline = await createPipeline();
  const role = await createConsumerRole(pipeline);
  const sync = pipeline.startSync({}, { database: role.url });
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 1 }));
  await pipeline.pool.query(`REVOKE UPDATE ON ${pipeline.table} FROM ${role.name}`);
  const acknowledged = await saveUsers(pipeline, [...users, 'one'], { step: 2 });
  await eventually(() => expect(sync.consumer.readiness.reason).toContain('42501'));
  expect(await parked(pipeline)).toEqual({});
  await pipeline.pool.query(`GRANT UPDATE ON ${pipeline.table} TO ${role.name}`);
  await expectSynced(pipeline, acknowledged, 30_000);
});

test('what the role may not do is named at the start, all at once, and it syncs once it may', async () => {
  const pipeline = await createPipeline();
  const role = await createConsumerRole(pipeline);
  await pipeline.pool.query(
    `REVOKE ALL ON ${companion(pipeline.table, 'conflict')} FROM ${role.name};
     REVOKE UPDATE ON ${pipeline.table} FROM ${role.name}`,
  );
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const sync = pipeline.startSync({}, { database: role.url });
  await eventually(() => expect(sync.consumer.circuit.state).toMatchObject({ kind: 'away' }));
  const failure = { class: 'misconfigured', code: '42501' };
  expect(sync.consumer.circuit.state).toMatchObject({ failure });
  const { failure: found } = sync.consumer.circuit.state as { failure: { summary: string } };
  const schema = pipeline.settings.SESSION_DB_SCHEMA;
  for (const grant of [
    `GRANT UPDATE ON ${schema}.session TO "${role.name}"`,
    `GRANT SELECT, INSERT, DELETE ON ${schema}.session_conflict TO "${role.name}"`,
  ]) {
    expect(found.summary).toContain(grant);
    await pipeline.pool.query(grant);
  }
  await expectSynced(pipeline, acknowledged, 30_000);
});

test('a role that may not delete syncs all the same, and the log says that the purge will fail', async () => {
  const pipeline = await createPipeline();
  const role = await createConsumerRole(pipeline);
  await pipeline.pool.query(`REVOKE DELETE ON ${pipeline.table} FROM ${role.name}`);
  const lines: string[] = [];
  const logger = createLogger('warn', { write: (line) => void lines.push(line) });
  pipeline.startSync({}, { database: role.url, logger });
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 1 }));
  expect(lines.join()).toContain('the purge of old rows will fail');
  expect(lines.join()).toContain(`GRANT DELETE ON ${pipeline.settings.SESSION_DB_SCHEMA}.session TO`);
});

test('grants of columns are enough to sync', async () => {
  const pipeline = await createPipeline();
  const role = await createConsumerRole(pipeline);
  await pipeline.pool.query(
    `REVOKE UPDATE ON ${pipeline.table} FROM ${role.name};
     GRANT UPDATE (state, version, operations, updated_at, synced_at) ON ${pipeline.table} TO ${role.name}`,
  );
  pipeline.startSync({}, { database: role.url });
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 1 }));
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 2 }));
});

test('a view in the place of the table is refused at the start, for it may hide rows', async () => {
  const pipeline = await createPipeline();
  const { pool, table } = pipeline;
  await pool.query(
    `ALTER TABLE ${table} RENAME TO real;
     CREATE VIEW ${table} AS SELECT * FROM ${table.replace('"session"', 'real')}`,
  );
  const sync = pipeline.startSync();
  await pipeline.save(refOf('ana'), { step: 1 });
  await eventually(() =>
    expect(sync.consumer.circuit.state).toMatchObject({
      failure: { class: 'misconfigured', code: '42809', summary: expect.stringContaining('is not a table') },
    }),
  );
});

test('conflicts cannot be archived for want of a grant: they wait, and their neighbours are written (P6, P9)', async () => {
  const pipeline = await createPipeline();
  const role = await createConsumerRole(pipeline);
  const sync = pipeline.startSync({}, { database: role.url });
  await expectSynced(pipeline, await saveUsers(pipeline, users, { step: 1 }));
  await pipeline.pool.query(`REVOKE ALL ON ${companion(pipeline.table, 'conflict')} FROM ${role.name}`);

  const winning = String((Date.now() + 3_600_000) * 1000);
  await pipeline.queries.upsertSessions([{ ref: refOf('ana'), state: '1', version: winning }]);
  const losing = await pipeline.save(refOf('ana'), { from: 'redis' });
  const acknowledged = await saveUsers(pipeline, users, { step: 2 });
  await eventually(() => expectRows(pipeline, acknowledged));
  const { key } = pipeline.keyspace.locate(refOf('ana'));
  expect(await sessionTexts(pipeline.redis, key)).toMatchObject({ version: losing, dirty: '1' });
  expect(sync.consumer.circuit.isUp).toBe(true);

  await pipeline.pool.query(
    `GRANT SELECT, INSERT, DELETE ON ${companion(pipeline.table, 'conflict')} TO ${role.name}`,
  );
  await eventually(async () =>
    expect(await sessionTexts(pipeline.redis, key)).toMatchObject({ version: winning, dirty: '0' }),
  );
});

test.each([
  { what: 'returns nothing', body: "IF NEW.user_id = 'bad' THEN RETURN NULL; END IF;" },
  { what: 'writes another version', body: "IF NEW.user_id = 'bad' THEN NEW.version := 7; END IF;" },
  { what: 'writes another row', body: "IF NEW.user_id = 'bad' THEN NEW.user_id := 'other'; END IF;" },
])(
  'a trigger that $what: the session is parked and counted, its neighbours are written (P6)',
  async ({ body }) => {
    const pipeline = await createPipeline();
    await addTrigger(pipeline, body);
    const acknowledged = await saveUsers(pipeline, [...users, 'bad'], { step: 1 });
    const sync = pipeline.startSync();
    await expectOthersWritten(pipeline, acknowledged, { bad: 'NOT_WRITTEN' });
    expect(sync.consumer.readiness).toEqual({ isReady: true });
  },
);

test('a trigger that suppresses an update: the session is parked, and written when the trigger is gone (P6)', async () => {
  const pipeline = await createPipeline();
  pipeline.startSync();
  await expectSynced(pipeline, await saveUsers(pipeline, ['bad'], { step: 1 }));
  await addTrigger(pipeline, 'RETURN NULL;');
  const acknowledged = await saveUsers(pipeline, ['bad'], { step: 2 });
  await expectOthersWritten(pipeline, acknowledged, { bad: 'NOT_WRITTEN' });
  await dropTrigger(pipeline);
  const { key, partition } = pipeline.keyspace.locate(refOf('bad'));
  const record = JSON.parse((await pipeline.redis.hget(pipeline.keyspace.parked(partition), key)) ?? '{}');
  const due = JSON.stringify({ ...record, retryAtMs: 0 });
  await pipeline.redis.hset(pipeline.keyspace.parked(partition), key, due);
  await expectSynced(pipeline, acknowledged, 30_000);
});

test('a trigger that lets no row through: at most 20 are parked, and the table is named as the fault (P6, P9)', async () => {
  const pipeline = await createPipeline();
  await addTrigger(pipeline, 'RETURN NULL;');
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const sync = pipeline.startSync();
  await eventually(() => expect(sync.consumer.readiness.reason).toMatch('too many rows are refused'));
  expect(Object.keys(await parked(pipeline)).length).toBeLessThanOrEqual(20);
  await dropTrigger(pipeline);
  for (let partition = 0; partition < pipeline.keyspace.partitions; partition++) {
    await pipeline.redis.del(pipeline.keyspace.parked(partition));
  }
  await expectSynced(pipeline, acknowledged, 30_000);
});

test('a trigger keeps the loser of a conflict out of the conflict table: Redis keeps it (P6)', async () => {
  const pipeline = await createPipeline();
  const conflict = companion(pipeline.table, 'conflict');
  await addTrigger({ ...pipeline, table: conflict }, 'RETURN NULL;');
  const losing = await pipeline.save(refOf('ana'), { from: 'redis' });
  const winning = (BigInt(losing) + 3_600_000_000n).toString();
  await pipeline.queries.upsertSessions([{ ref: refOf('ana'), state: '1', version: winning }]);
  const acknowledged = await saveUsers(pipeline, users, { step: 1 });
  const sync = pipeline.startSync();
  await eventually(() => expectRows(pipeline, acknowledged));
  const { key } = pipeline.keyspace.locate(refOf('ana'));
  expect(await sessionTexts(pipeline.redis, key)).toMatchObject({ version: losing, dirty: '1' });
  expect(sync.consumer.circuit.isUp).toBe(true);
  await dropTrigger({ ...pipeline, table: conflict });
  await eventually(async () =>
    expect(await sessionTexts(pipeline.redis, key)).toMatchObject({ version: winning, dirty: '0' }),
  );
  const { rows } = await pipeline.pool.query(`SELECT version::text FROM ${conflict}`);
  expect(rows).toEqual([{ version: losing }]);
});

test('a losing state that cannot be archived does not keep the others from it (P6, P9)', async () => {
  const pipeline = await createPipeline();
  const conflict = companion(pipeline.table, 'conflict');
  await pipeline.pool.query(`ALTER TABLE ${conflict} ADD CHECK (user_id <> 'bad')`);
  const names = [...userIds(10), 'bad'];
  const losing = await saveUsers(pipeline, names, { from: 'redis' });
  const winning = [...losing].map(([userId, { version }]) => ({
    ref: refOf(userId),
    state: '1',
    version: String(BigInt(version) + 3_600_000_000n),
  }));
  await pipeline.queries.upsertSessions(winning);
  pipeline.startSync();
  await eventually(async () => expect(await pipeline.countDirty()).toBe(1));
  const { rows } = await pipeline.pool.query(`SELECT user_id FROM ${conflict} ORDER BY user_id`);
  expect(rows).toEqual(userIds(10).map((user_id) => ({ user_id })));
  const { key } = pipeline.keyspace.locate(refOf('bad'));
  expect((await sessionTexts(pipeline.redis, key)).version).toBe(losing.get('bad')?.version);
});
