import { expect, test } from 'vitest';
import { expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline } from '../helpers/pipeline.ts';

test('two consumers and one session saved without pause: the row never goes back (P3)', async () => {
  const pipeline = await createPipeline();
  await pipeline.pool.query(`
    CREATE TABLE ${pipeline.table.replace('"session"', '"history"')} (version bigint, at bigserial);
    CREATE FUNCTION ${pipeline.table.replace('"session"', '"remember"')}() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO ${pipeline.table.replace('"session"', '"history"')} VALUES (NEW.version); RETURN NEW; END $$;
    CREATE TRIGGER remember AFTER INSERT OR UPDATE ON ${pipeline.table}
      FOR EACH ROW EXECUTE FUNCTION ${pipeline.table.replace('"session"', '"remember"')}();
  `);
  pipeline.startSync({ SESSION_SYNC_INTERVAL: 10 });
  pipeline.startSync({ SESSION_SYNC_INTERVAL: 10 });
  let version = '';
  for (let step = 0; step < 1500; step++) version = await pipeline.save(refOf('ana'), { step });
  await expectSynced(pipeline, new Map([['ana', { version, state: { step: 1499 } }]]));

  const { rows } = await pipeline.pool.query<{ version: string }>(
    `SELECT version::text AS version FROM ${pipeline.table.replace('"session"', '"history"')} ORDER BY at`,
  );
  const versions = rows.map((row) => BigInt(row.version));
  expect(versions.length).toBeGreaterThan(3);
  expect(versions).toEqual([...versions].sort((a, b) => (a < b ? -1 : 1)));
  expect(versions.length).toBeLessThan(750);
});

test('three consumers share the work and nothing is lost or left (P4)', async () => {
  const pipeline = await createPipeline({ partitions: 16 });
  for (let i = 0; i < 3; i++) pipeline.startSync({ SESSION_SYNC_INTERVAL: 10 });
  const users = userIds(400);
  const acknowledged = await saveUsers(pipeline, users, { step: 0 });
  for (let step = 1; step < 10; step++) await saveUsers(pipeline, users, { step }, acknowledged);
  await expectSynced(pipeline, acknowledged);
});
