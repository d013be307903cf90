import { PROTOCOL_VERSION } from '@cauce/protocol';
import { expect, test } from 'vitest';
import { companion } from '../../helpers/companion.ts';
import { createPipeline } from '../../helpers/pipeline.ts';

test('the first contact pins the layout, later ones read it (P10)', async () => {
  const { queries } = await createPipeline();
  const pinned = await queries.pinLayout(64);
  expect(pinned).toEqual({ partitions: 64, hash: 'crc32', protocol: PROTOCOL_VERSION });
  expect(await queries.pinLayout(64)).toEqual(pinned);
});

test('another layout is answered with the pinned one and never overwrites it (P10, F10)', async () => {
  const { queries, pool, table } = await createPipeline();
  await queries.pinLayout(64);
  expect(await queries.pinLayout(128)).toMatchObject({ partitions: 64 });
  const layout = companion(table, 'layout');
  const { rows } = await pool.query(`SELECT partitions, hash, protocol FROM ${layout}`);
  expect(rows).toEqual([{ partitions: 64, hash: 'crc32', protocol: PROTOCOL_VERSION }]);
});

test('20 first contacts at once with different layouts agree on one, in each of 20 rounds (P10)', async () => {
  const { queries, pool, table } = await createPipeline();
  const layout = companion(table, 'layout');
  for (let round = 0; round < 20; round++) {
    await pool.query(`TRUNCATE ${layout}`);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => queries.pinLayout(2 ** (i % 10))));
    const { rows } = await pool.query(`SELECT partitions, hash, protocol FROM ${layout}`);
    expect(rows).toHaveLength(1);
    for (const answer of answers) expect(answer).toEqual(rows[0]);
  }
});
