import { createPostgresLoader } from '@cauce/session-client/postgres';
import pg from 'pg';
import { openBareSet } from '../contenders/bare-redis.mjs';
import { openCauce } from '../contenders/cauce.mjs';
import { runAll } from '../measure/closed-loop.mjs';
import { pair, toFigure } from '../measure/figure.mjs';
import { interleave } from '../measure/interleave.mjs';
import { summarise } from '../measure/latency.mjs';
import { insertRows } from '../workload/rows.mjs';
import { createStates } from '../workload/states.mjs';
import { refOf } from '../workload/users.mjs';

const HIT = 'getUserState, hit';
const MISS = 'getUserState, miss';
/** As many as the loader has. */
const CONNECTIONS = 4;

/** `getUserState` of a session that Redis has, and of one that has to be restored, each against a read that is bare. */
export async function measureLoads(servers, { rounds, loads, concurrency, stateBytes }) {
  await servers.reset();
  const states = createStates(stateBytes);
  await insertRows(servers.pool, { table: 'session', rows: loads, states });
  const loader = createPostgresLoader({ databaseUrl: servers.databaseUrl });
  const cauce = await openCauce(servers, { loader });
  const set = await openBareSet(servers);
  const pool = new pg.Pool({ connectionString: servers.databaseUrl, max: CONNECTIONS });
  await runAll((user) => set.save(user, states[user % states.length]), { count: loads, concurrency });
  const evict = async () => {
    const keys = await servers.redis.keys('sess:*:s:*');
    for (let i = 0; i < keys.length; i += 1000) await servers.redis.unlink(...keys.slice(i, i + 1000));
  };
  const contenders = [
    { name: HIT, load: cauce.load, before: () => runAll(cauce.load, { count: loads, concurrency }) },
    { name: MISS, load: cauce.load, before: evict },
    { name: 'GET', load: set.load },
    { name: 'SELECT', load: (user) => selectState(pool, user) },
  ];
  try {
    const results = await interleave(contenders, { rounds }, async ({ load, before }) => {
      await before?.();
      return timeLoads(load, { loads, concurrency });
    });
    return { figures: toFigures(results, `${stateBytes} B, ${concurrency} at a time`), plots: [] };
  } finally {
    await Promise.all([cauce.close(), set.close(), loader.close(), pool.end()]);
  }
}

async function timeLoads(load, { loads, concurrency }) {
  const latenciesMs = [];
  const timed = async (user) => {
    const startedMs = performance.now();
    if (!(await load(user))) throw new Error(`user ${user} has no session`);
    latenciesMs.push(performance.now() - startedMs);
  };
  const perSecond = await runAll(timed, { count: loads, concurrency });
  return { perSecond, ...summarise(latenciesMs) };
}

async function selectState(pool, user) {
  const { tenantId, userId } = refOf(user);
  const { rows } = await pool.query(
    'SELECT state::text, version::text FROM session WHERE tenant_id = $1 AND user_id = $2',
    [tenantId, userId],
  );
  return rows[0];
}

function toFigures(results, what) {
  const pairs = [
    [HIT, 'GET'],
    [HIT, 'SELECT'],
    [MISS, 'SELECT'],
  ];
  return pairs.flatMap(([subject, reference]) =>
    [
      { quantity: 'throughput', field: 'perSecond', unit: '1/s', better: 'higher' },
      { quantity: 'p50', field: 'p50Ms', unit: 'ms', better: 'lower' },
      { quantity: 'p99', field: 'p99Ms', unit: 'ms', better: 'lower' },
    ].map(({ field, ...quantity }) =>
      toFigure({
        ...{ what, subject, reference, ...quantity },
        values: pair(results.get(subject), results.get(reference), field),
      }),
    ),
  );
}
