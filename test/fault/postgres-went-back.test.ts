import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresServer } from '@cauce/dev-services';
import { expect, onTestFinished, test } from 'vitest';
import { companion } from '../helpers/companion.ts';
import { eventually } from '../helpers/eventually.ts';
import { type Acknowledged, expectSynced, refOf, saveUsers, userIds } from '../helpers/expect-synced.ts';
import { connectPostgres } from '../helpers/isolated.ts';
import { ownPostgres } from '../helpers/own-servers.ts';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

/**
 * A standby that had received everything up to now. The function it returns ends the primary and promotes the standby
 * in its place.
 */
async function standBy(server: PostgresServer): Promise<() => Promise<void>> {
  const copy = mkdtempSync(join(tmpdir(), 'cauce-standby-'));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  await server.shutdown();
  execFileSync('cp', ['-a', `${server.dataDir}/.`, copy]);
  await server.restart();
  return async () => {
    await server.shutdown('immediate');
    execFileSync('cp', ['-a', '--remove-destination', `${copy}/.`, server.dataDir]);
    execFileSync('sh', ['-c', `rm -rf "$1"/pg_wal && cp -a "$2"/pg_wal "$1"/`, 'sh', server.dataDir, copy]);
    writeFileSync(join(server.dataDir, 'standby.signal'), '');
    await server.restart();
    const pool = connectPostgres(server.url);
    await eventually(() => pool.query('SELECT pg_promote()'));
    await eventually(async () => {
      const { rows } = await pool.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      expect(rows[0]?.standby).toBe(false);
    });
  };
}

async function lostCommits(): Promise<{ pipeline: Pipeline; acknowledged: Acknowledged }> {
  const server = await ownPostgres();
  const pipeline = await createPipeline({ databaseUrl: server.url });
  const acknowledged = await saveUsers(pipeline, userIds(40), { step: 1 });
  pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
  const promote = await standBy(server);
  // Changed, new and deleted since the standby fell behind.
  await saveUsers(pipeline, [...userIds(20), ...userIds(20, 'new')], { step: 2 }, acknowledged);
  acknowledged.set('u39', { version: await pipeline.clear(refOf('u39')), state: null });
  await expectSynced(pipeline, acknowledged);
  await promote();
  return { pipeline, acknowledged };
}

test('PostgreSQL loses commits to a promotion: what Redis still holds is in its row again, by itself (P4)', async () => {
  const { pipeline, acknowledged } = await lostCommits();
  await eventually(() => expectSynced(pipeline, acknowledged, 100), 30_000);
});

test('the table was restored on another server: it gets everything Redis holds', async () => {
  const server = await ownPostgres();
  const pipeline = await createPipeline();
  const acknowledged = await saveUsers(pipeline, userIds(40), { step: 1 });
  const sync = pipeline.startSync();
  await expectSynced(pipeline, acknowledged);
  await sync.stop();

  const other = await createPipeline({ databaseUrl: server.url });
  const { id } = await pipeline.queries.identifyTable();
  await other.pool.query(`UPDATE ${companion(other.table, 'identity')} SET id = $1`, [id]);
  other.startSync({ SESSION_KEY_PREFIX: pipeline.keyspace.keyPrefix });
  await eventually(async () => {
    const { rows } = await other.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${other.table}`,
    );
    expect(rows[0]?.count).toBe(40);
  }, 30_000);
});
