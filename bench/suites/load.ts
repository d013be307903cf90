import { createPostgresLoader } from '@cauce/session-client/postgres';
import pg from 'pg';
import { openBareSet } from '../contenders/bare-redis.ts';
import { openCauce } from '../contenders/cauce.ts';
import { type NumberedCall, runAll } from '../measure/closed-loop.ts';
import { pair, type Quantity, toFigure } from '../measure/figure.ts';
import { interleave, type Results, resultsOf } from '../measure/interleave.ts';
import { type Latencies, summarise } from '../measure/latency.ts';
import type { Servers } from '../servers.ts';
import { insertRows } from '../workload/rows.ts';
import { createStates } from '../workload/states.ts';
import { refOf } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

const HIT = 'getUserState, hit';
const MISS = 'getUserState, miss';
/** As many as the loader has. */
const CONNECTIONS = 4;

export interface LoadProfile {
  readonly rounds: number;
  readonly loads: number;
  readonly concurrency: number;
  readonly stateBytes: number;
}

interface LoadContender {
  readonly name: string;
  /** Given a user. */
  readonly load: NumberedCall;
  readonly before?: () => Promise<unknown>;
}

interface LoadResult extends Latencies {
  readonly perSecond: number;
}

/** `getUserState` of a session that Redis has, and of one that has to be restored, each against a read that is bare. */
export async function measureLoads(
  servers: Servers,
  { rounds, loads, concurrency, stateBytes }: LoadProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  await insertRows(servers.pool, { table: 'session', rows: loads, states });
  const loader = createPostgresLoader({ databaseUrl: servers.databaseUrl });
  const cauce = await openCauce(servers, { loader });
  const set = await openBareSet(servers);
  const pool = new pg.Pool({ connectionString: servers.databaseUrl, max: CONNECTIONS });
  await runAll((user) => set.save(user, states.nth(user)), { count: loads, concurrency });
  const evict = async () => {
    const keys = await servers.redis.keys('sess:*:s:*');
    for (let i = 0; i < keys.length; i += 1000) await servers.redis.unlink(...keys.slice(i, i + 1000));
  };
  const contenders: LoadContender[] = [
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

async function timeLoads(
  load: NumberedCall,
  { loads, concurrency }: Pick<LoadProfile, 'loads' | 'concurrency'>,
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const timed = async (user: number) => {
    const startedMs = performance.now();
    if (!(await load(user))) throw new Error(`user ${user} has no session`);
    latenciesMs.push(performance.now() - startedMs);
  };
  const perSecond = await runAll(timed, { count: loads, concurrency });
  return { perSecond, ...summarise(latenciesMs) };
}

async function selectState(pool: pg.Pool, user: number): Promise<unknown> {
  const { tenantId, userId } = refOf(user);
  const { rows } = await pool.query(
    'SELECT state::text, version::text FROM session WHERE tenant_id = $1 AND user_id = $2',
    [tenantId, userId],
  );
  return rows[0];
}

const quantities: readonly Quantity<keyof LoadResult>[] = [
  { quantity: 'throughput', field: 'perSecond', unit: '1/s', better: 'higher' },
  { quantity: 'p50', field: 'p50Ms', unit: 'ms', better: 'lower' },
  { quantity: 'p99', field: 'p99Ms', unit: 'ms', better: 'lower' },
];

function toFigures(results: Results<LoadResult>, what: string) {
  const pairs = [
    [HIT, 'GET'],
    [HIT, 'SELECT'],
    [MISS, 'SELECT'],
  ] as const;
  return pairs.flatMap(([subject, reference]) =>
    quantities.map(({ field, ...quantity }) =>
      toFigure({
        ...{ what, subject, reference, ...quantity },
        values: pair(resultsOf(results, subject), resultsOf(results, reference), field),
      }),
    ),
  );
}
