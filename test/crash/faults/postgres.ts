// What happens to PostgreSQL, and to the connections to it.
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '@cauce/dev-services';
import { maintain } from '../maintain.ts';
import { between } from '../random.ts';
import { refuseAll, refuseSome } from '../refusals.ts';
import { SCHEMA } from '../sessions.ts';
import type { Fault, FaultContext } from './fault.ts';
import { linkFaults } from './links.ts';

const onPostgres = () => 'postgres';

export const postgresFaults: readonly Fault[] = [
  { name: 'PostgreSQL SIGKILL', weight: 2, target: onPostgres, strike: crashPostgres('SIGKILL') },
  { name: 'PostgreSQL immediate stop', weight: 2, target: onPostgres, strike: crashPostgres('SIGQUIT') },
  { name: 'PostgreSQL read-only', weight: 1, target: onPostgres, strike: readOnly },
  { name: 'PostgreSQL table locked', weight: 2, target: onPostgres, strike: lockTable },
  { name: 'PostgreSQL backends terminated', weight: 1, target: onPostgres, strike: terminateBackends },
  { name: 'PostgreSQL refuses some rows', weight: 2, target: onPostgres, strike: refuseSome },
  { name: 'PostgreSQL refuses all rows', weight: 1, target: onPostgres, strike: refuseAll },
  { name: 'PostgreSQL table rewritten and purged', weight: 1, target: onPostgres, strike: maintain },
  ...linkFaults('postgres'),
];

function crashPostgres(signal: 'SIGKILL' | 'SIGQUIT') {
  return async ({ world, random }: FaultContext): Promise<void> => {
    await world.postgres.kill(signal);
    await delay(between(random, 0, 1500));
    await startAgain(world.postgres);
  };
}

/** The server's lock file may vanish while its readiness is looked at; then it runs, or starts the next time. */
async function startAgain(postgres: PostgresServer): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await postgres.restart();
      return;
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}

async function readOnly({ world, random }: FaultContext): Promise<void> {
  await world.pool.query('ALTER SYSTEM SET default_transaction_read_only = on');
  await world.pool.query('SELECT pg_reload_conf()');
  await delay(between(random, 500, 2500));
  await world.pool.query('ALTER SYSTEM RESET default_transaction_read_only');
  await world.pool.query('SELECT pg_reload_conf()');
}

async function lockTable({ world, random }: FaultContext): Promise<void> {
  const client = await world.pool.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${SCHEMA}.session IN ACCESS EXCLUSIVE MODE`);
    await delay(between(random, 500, 3500));
    await client.query('ROLLBACK');
  } finally {
    client.release();
  }
}

async function terminateBackends({ world }: FaultContext): Promise<void> {
  await world.pool.query(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'cauce-%' AND pid <> pg_backend_pid()`);
}
