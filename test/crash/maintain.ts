// What a database administrator does to the table while it is in use.
import { purge } from '@cauce/admin';
import { createQueries } from '@cauce/postgres';
import type { FaultContext } from './faults/fault.ts';
import { SCHEMA } from './sessions.ts';
import type { World } from './world.ts';

const OLD_ROWS = 200;
const HISTORY_DAYS = 30;
const LIMIT_MS = 20_000;

export async function maintain({ world }: FaultContext): Promise<void> {
  const { pool } = world;
  await pool.query(`VACUUM FULL ${SCHEMA}.session`);
  await pool.query(`REINDEX TABLE ${SCHEMA}.session`);
  await pool.query(`ALTER TABLE ${SCHEMA}.session ADD COLUMN note text DEFAULT 'of another team'`);
  await purgeOld(world);
  await pool.query(`ALTER TABLE ${SCHEMA}.session DROP COLUMN note`);
  world.see('table rewritten and purged');
}

/** Rows of users nobody has heard of for longer than the history go, and none of those in use. */
async function purgeOld({ pool }: World): Promise<void> {
  await pool.query(
    `INSERT INTO ${SCHEMA}.session (tenant_id, user_id, state, version, created_at, updated_at, synced_at)
     SELECT 'old', 'old-' || i, '{}', 1, long_ago, long_ago, long_ago
     FROM generate_series(1, $1::int) AS i, (SELECT now() - make_interval(days => $2::int) AS long_ago) AS past`,
    [OLD_ROWS, 2 * HISTORY_DAYS],
  );
  const queries = createQueries(pool, {
    ...{ schema: SCHEMA, table: 'session' },
    ...{ lockTimeoutMs: LIMIT_MS, statementTimeoutMs: LIMIT_MS, longTimeoutMs: LIMIT_MS },
  });
  const { sessions } = await purge({ queries }, { historyDays: HISTORY_DAYS });
  if (sessions !== OLD_ROWS) throw new Error(`the purge deleted ${sessions} rows, not ${OLD_ROWS}`);
}
