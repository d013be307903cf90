import type { Pool } from 'pg';
import { openCauce } from '../contenders/cauce.ts';
import { toFigure } from '../measure/figure.ts';
import { interleave, type Results } from '../measure/interleave.ts';
import { runOpenLoop } from '../measure/open-loop.ts';
import { pollUntil } from '../measure/poll-until.ts';
import { startConsumer } from '../processes/child.ts';
import { everyInterval } from '../processes/consumer-settings.ts';
import type { Servers } from '../servers.ts';
import { createStates } from '../workload/states.ts';
import { createUserDraw } from '../workload/users.ts';
import type { SuiteResult } from './suite.ts';

const SETTLE_TIMEOUT_MS = 60_000;

export interface EndToEndProfile {
  readonly rounds: number;
  readonly rates: readonly number[];
  readonly windowMs: number;
  readonly intervalMs: number;
  readonly stateBytes: number;
}

/**
 * From the save to the committed row, against what an ideal consumer would need: half the interval at the median, and
 * 99 % of it at the 99th percentile. Every save is of a session of its own, so that every one has a row: the worst case.
 */
export async function measureEndToEnd(
  servers: Servers,
  { rounds, rates, windowMs, intervalMs, stateBytes }: EndToEndProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  const draw = createUserDraw('new', 0);
  const consumer = await startConsumer(everyInterval(servers, { intervalMs }));
  const bot = await openCauce(servers);
  const contenders = rates.map((perSecond) => ({ name: String(perSecond), perSecond }));
  try {
    const results = await interleave(contenders, { rounds }, async ({ perSecond }) => {
      await servers.pool.query('TRUNCATE session');
      const { count } = await runOpenLoop(
        (i) => bot.save(draw(), { state: { ...states.nth(i).state, savedAtMs: epochMs() } }),
        { perSecond, durationMs: windowMs },
      );
      await pollUntil(async () => (await countRows(servers.pool)) === count, SETTLE_TIMEOUT_MS);
      return measureLag(servers.pool);
    });
    return { figures: toFigures(results, { intervalMs, stateBytes }), plots: [] };
  } finally {
    await Promise.all([bot.close(), consumer.stop()]);
  }
}

async function countRows(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM session');
  return rows[0]?.count ?? 0;
}

/** Not the version: after a start of Redis that is ahead of the clock. */
const epochMs = () => performance.timeOrigin + performance.now();

interface Lag {
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

/** Both clocks are this host's. */
async function measureLag(pool: Pool): Promise<Lag> {
  const { rows } = await pool.query<{ lag: [p50Ms: number, p99Ms: number] }>(`
    SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (
      ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 - (state->>'savedAtMs')::float8
    )::float8[] AS lag FROM session`);
  const [p50Ms, p99Ms] = rows[0]?.lag ?? [];
  return { p50Ms, p99Ms };
}

function toFigures(
  results: Results<Lag>,
  { intervalMs, stateBytes }: Pick<EndToEndProfile, 'intervalMs' | 'stateBytes'>,
) {
  return [...results].flatMap(([perSecond, measured]) =>
    (
      [
        ['p50', 'p50Ms', 0.5],
        ['p99', 'p99Ms', 0.99],
      ] as const
    ).map(([quantity, field, share]) =>
      toFigure({
        what: `${perSecond} saves/s of ${stateBytes} B, every ${intervalMs / 1000} s`,
        quantity: `lag to the committed row, ${quantity}`,
        ...{
          unit: 'ms',
          subject: 'saveUserState and a consumer',
          reference: 'an ideal consumer',
          better: 'lower',
        },
        values: measured.map((result) => ({ subject: result[field], reference: intervalMs * share })),
      }),
    ),
  );
}
