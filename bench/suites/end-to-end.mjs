import { openCauce } from '../contenders/cauce.mjs';
import { toFigure } from '../measure/figure.mjs';
import { interleave } from '../measure/interleave.mjs';
import { runOpenLoop } from '../measure/open-loop.mjs';
import { pollUntil } from '../measure/poll-until.mjs';
import { startChild } from '../processes/child.mjs';
import { everyInterval } from '../processes/consumer-settings.mjs';
import { createStates } from '../workload/states.mjs';
import { createUserDraw } from '../workload/users.mjs';

const SETTLE_TIMEOUT_MS = 60_000;

/**
 * From the save to the committed row, against what an ideal consumer would need: half the interval at the median, and
 * 99 % of it at the 99th percentile. Every save is of a session of its own, so that every one has a row: the worst case.
 */
export async function measureEndToEnd(servers, { rounds, rates, windowMs, intervalMs, stateBytes }) {
  await servers.reset();
  const states = createStates(stateBytes);
  const draw = createUserDraw('new', 0);
  const consumer = await startChild('consumer.mjs', everyInterval(servers, { intervalMs }));
  const bot = await openCauce(servers);
  const contenders = rates.map((perSecond) => ({ name: perSecond, perSecond }));
  try {
    const results = await interleave(contenders, { rounds }, async ({ perSecond }) => {
      await servers.pool.query('TRUNCATE session');
      const { count, perSecond: achieved } = await runOpenLoop(
        (i) => bot.save(draw(), { state: { ...states[i % states.length].state, savedAtMs: epochMs() } }),
        { perSecond, durationMs: windowMs },
      );
      await pollUntil(async () => (await countRows(servers.pool)) === count, SETTLE_TIMEOUT_MS);
      return { achieved, ...(await measureLag(servers.pool)) };
    });
    return { figures: toFigures(results, { intervalMs, stateBytes }), plots: [] };
  } finally {
    await Promise.all([bot.close(), consumer.stop()]);
  }
}

async function countRows(pool) {
  const { rows } = await pool.query('SELECT count(*)::int AS count FROM session');
  return rows[0].count;
}

/** Not the version: after a start of Redis that is ahead of the clock. */
const epochMs = () => performance.timeOrigin + performance.now();

/** Both clocks are this host's. */
async function measureLag(pool) {
  const { rows } = await pool.query(`
    SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (
      ORDER BY extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 - (state->>'savedAtMs')::float8
    )::float8[] AS lag FROM session`);
  const [p50Ms, p99Ms] = rows[0].lag;
  return { p50Ms, p99Ms };
}

function toFigures(results, { intervalMs, stateBytes }) {
  return [...results].flatMap(([perSecond, measured]) =>
    [
      ['p50', 'p50Ms', 0.5],
      ['p99', 'p99Ms', 0.99],
    ].map(([quantity, field, share]) =>
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
