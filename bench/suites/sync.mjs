import { openBulkFloor } from '../contenders/bulk-floor.mjs';
import { openBullmq } from '../contenders/bullmq.mjs';
import { spreadOf, toFigure } from '../measure/figure.mjs';
import { interleave } from '../measure/interleave.mjs';
import { startBullmqWorker } from '../processes/carriers.mjs';
import { startChild } from '../processes/child.mjs';
import { onDemandConsumer } from '../processes/consumer-settings.mjs';
import { openFill, range } from '../workload/fill.mjs';
import { createStates } from '../workload/states.mjs';

const consumersNamed = (count) => `${count} consumer${count === 1 ? '' : 's'}`;

/** Rows a second from dirty in Redis to committed and settled, against PostgreSQL alone and against BullMQ's worker. */
export async function measureSync(servers, { rounds, rows, jobs, stateBytes, consumerCounts }) {
  await servers.reset();
  const states = createStates(stateBytes);
  const children = [];
  for (let i = 0; i < Math.max(...consumerCounts); i++) {
    children.push(await startChild('consumer.mjs', onDemandConsumer(servers)));
  }
  const worker = await startBullmqWorker(servers);
  const fill = await openFill(servers);
  const floor = await openBulkFloor(servers);
  const bullmq = await openBullmq(servers);

  const contenders = [
    ...consumerCounts.map((count) => ({
      name: consumersNamed(count),
      rows,
      before: () => fill.saveDirty(range(0, rows), states),
      async sync() {
        const reports = await Promise.all(children.slice(0, count).map((child) => child.ask('sync')));
        const written = reports.reduce((sum, report) => sum + report.written, 0);
        if (written !== rows) throw new Error(`${written} rows were written instead of ${rows}`);
      },
    })),
    {
      name: 'upsert from unnest alone',
      rows,
      before: () => floor.toRows(range(0, rows), states),
      sync: floor.upsert,
    },
    {
      name: 'COPY and merge',
      rows,
      before: () => floor.toRows(range(0, rows), states),
      sync: floor.copyAndMerge,
    },
    {
      name: "BullMQ's worker",
      rows: jobs,
      async before() {
        await worker.ask('pause');
        await addJobs(bullmq, jobs, states);
      },
      sync: () => worker.ask(`sync ${jobs}`),
    },
  ];
  try {
    const results = await interleave(contenders, { rounds }, async ({ rows, before, sync }) => {
      const prepared = await before();
      const startedMs = performance.now();
      await sync(prepared);
      return { perSecond: (rows / (performance.now() - startedMs)) * 1000 };
    });
    return {
      figures: toFigures(results, consumerCounts, stateBytes),
      plots: [plotConsumers(results, consumerCounts, stateBytes)],
    };
  } finally {
    await Promise.all([...children.map((child) => child.stop()), worker.stop()]);
    await Promise.all([fill.close(), floor.close(), bullmq.close()]);
  }
}

const JOBS_AT_ONCE = 1000;

async function addJobs({ saveMany }, jobs, states) {
  for (let start = 0; start < jobs; start += JOBS_AT_ONCE) {
    const users = [...range(start, Math.min(jobs, start + JOBS_AT_ONCE))];
    await saveMany(users.map((user) => ({ user, state: states[user % states.length].state })));
  }
}

function plotConsumers(results, consumerCounts, stateBytes) {
  const references = [...results.keys()].filter((name) => !consumerCounts.map(consumersNamed).includes(name));
  const ratiosTo = (reference, count) =>
    spreadOf(
      results
        .get(consumersNamed(count))
        .map(({ perSecond }, round) => perSecond / results.get(reference)[round].perSecond),
    );
  return {
    name: 'sync-consumers',
    title: `Rows a second, ${stateBytes} B, as a multiple of …`,
    x: { label: 'consumers' },
    y: { label: 'times the reference', isLog: true },
    series: references.map((reference) => ({
      name: reference,
      points: consumerCounts.map((count) => ({ x: count, ...ratiosTo(reference, count) })),
    })),
  };
}

function toFigures(results, consumerCounts, stateBytes) {
  const goals = {
    'upsert from unnest alone': { atLeast: 0.8 },
    "BullMQ's worker": { atLeast: 8 },
  };
  const one = consumersNamed(consumerCounts[0]);
  const figure = (subject, reference, goal) =>
    toFigure({
      ...{
        what: `${stateBytes} B`,
        quantity: 'rows',
        unit: '1/s',
        subject,
        reference,
        better: 'higher',
        goal,
      },
      values: results.get(subject).map((result, round) => ({
        subject: result.perSecond,
        reference: results.get(reference)[round].perSecond,
      })),
    });
  const others = [...results.keys()].filter((name) => !consumerCounts.map(consumersNamed).includes(name));
  return [
    ...others.map((reference) => figure(one, reference, goals[reference])),
    ...consumerCounts.slice(1).map((count) => figure(consumersNamed(count), one)),
  ];
}
