import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { createPipeline } from '../helpers/pipeline.ts';
import { sessionTexts } from '../helpers/session-hash.ts';

test('a losing state that cannot be archived stays in Redis until it can; its neighbours are written (P6, P9)', async () => {
  const pipeline = await createPipeline();
  const { pool, redis, keyspace, queries } = pipeline;
  const archive = pipeline.table.replace('"session"', '"session_conflict"');
  const ana = refOf('ana');
  const losing = await pipeline.save(ana, { from: 'redis' });
  const winning = (BigInt(losing) + 3_600_000_000n).toString();
  await queries.upsertSessions([{ ref: ana, state: '{"from":"postgres"}', version: winning }]);
  await pool.query(`ALTER TABLE ${archive} ADD CONSTRAINT none CHECK (version < 0)`);
  const acknowledged = await saveUsers(pipeline, userIds(20), { step: 1 });
  pipeline.startSync();

  await eventually(async () => expect(await pipeline.countDirty()).toBeLessThanOrEqual(1));
  for (const [userId, { version }] of acknowledged) {
    expect(await pipeline.row(refOf(userId))).toMatchObject({ version });
  }
  const { key } = keyspace.locate(ana);
  expect(await sessionTexts(redis, key)).toMatchObject({
    ...{ state: '{"from":"redis"}', version: losing, dirty: '1' },
  });
  expect(await redis.pttl(key)).toBe(-1);

  await pool.query(`ALTER TABLE ${archive} DROP CONSTRAINT none`);
  acknowledged.set('ana', { version: winning, state: { from: 'postgres' } });
  await expectSynced(pipeline, acknowledged);
  const { rows } = await pool.query(`SELECT state, version::text, winning_version::text FROM ${archive}`);
  expect(rows).toEqual([{ state: { from: 'redis' }, version: losing, winning_version: winning }]);
});
