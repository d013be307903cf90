import { openBulkFloor } from '../contenders/bulk-floor.ts';
import { type Bullmq, openBullmq } from '../contenders/bullmq.ts';
import { readCpuUs as readCpu } from '../measure/cpu.ts';
import { type Goal, spreadOf, toFigure } from '../measure/figure.ts';
import { interleave, type Results, resultsOf } from '../measure/interleave.ts';
import { type Child, type ConsumerAnswers, startConsumer } from '../processes/child.ts';
import { onDemandConsumer } from '../processes/consumer-settings.ts';
import { startBullmqWorker } from '../processes/pipelines.ts';
import type { Plot } from '../report/svg-plot.ts';
import type { Servers } from '../servers.ts';
import { openFill, range } from '../workload/fill.ts';
import { createStates, type States } from '../workload/states.ts';
import type { SuiteResult } from './suite.ts';

export interface SyncProfile {
  readonly rounds: number;
  readonly rows: number;
  readonly jobs: number;
  readonly stateBytes: number;
  readonly consumerCounts: readonly number[];
}

interface SyncContender {
  readonly name: string;
  readonly rows: number;
  /** Makes what is to be synced, and gives what syncs it. */
  readonly prepare: () => Promise<() => Promise<unknown>>;
  /** Of the processes that sync. Default: this one. */
  readonly cpuSeconds?: ReadCpu;
}

interface SyncResult {
  readonly perSecond: number;
  /** Processor time of the processes that sync, and of Redis, µs a row. */
  readonly cpuUs: number;
}

/** Gives processor time used so far, seconds. */
type ReadCpu = () => Promise<number>;

const consumersNamed = (count: number) => `${count} consumer${count === 1 ? '' : 's'}`;

/** Rows a second from dirty in Redis to committed and settled, against PostgreSQL alone and against BullMQ's worker. */
export async function measureSync(
  servers: Servers,
  { rounds, rows, jobs, stateBytes, consumerCounts }: SyncProfile,
): Promise<SuiteResult> {
  await servers.reset();
  const states = createStates(stateBytes);
  const children: Child<ConsumerAnswers>[] = [];
  for (let i = 0; i < Math.max(...consumerCounts); i++) {
    children.push(await startConsumer(onDemandConsumer(servers)));
  }
  const worker = await startBullmqWorker(servers);
  const fill = await openFill(servers);
  const floor = await openBulkFloor(servers);
  const bullmq = await openBullmq(servers);

  const toRows = () => floor.toRows(range(0, rows), states);
  const contenders: SyncContender[] = [
    ...consumerCounts.map((count) => ({
      name: consumersNamed(count),
      rows,
      cpuSeconds: async () =>
        sum(await Promise.all(children.slice(0, count).map((child) => child.ask('cpu')))),
      async prepare() {
        await fill.saveDirty(range(0, rows), states);
        return async () => {
          const reports = await Promise.all(children.slice(0, count).map((child) => child.ask('sync')));
          const written = sum(reports.map((report) => report.written));
          if (written !== rows) throw new Error(`${written} rows were written instead of ${rows}`);
        };
      },
    })),
    {
      name: 'upsert from unnest alone',
      rows,
      async prepare() {
        const prepared = toRows();
        return () => floor.upsert(prepared);
      },
    },
    {
      name: 'COPY and merge',
      rows,
      async prepare() {
        const prepared = toRows();
        return () => floor.copyAndMerge(prepared);
      },
    },
    {
      name: "BullMQ's worker",
      rows: jobs,
      cpuSeconds: () => worker.ask('cpu'),
      async prepare() {
        await worker.ask('pause');
        await addJobs(bullmq, jobs, states);
        return () => worker.ask('sync', jobs);
      },
    },
  ];
  try {
    const results = await interleave(
      contenders,
      { rounds },
      async ({ rows, prepare, cpuSeconds = ownCpu }) => {
        const sync = await prepare();
        const readCpuUs = async () => (await cpuSeconds()) * 1e6 + (await readCpu(servers.redis)).redis;
        const cpuBeforeUs = await readCpuUs();
        const startedMs = performance.now();
        await sync();
        const perSecond = (rows / (performance.now() - startedMs)) * 1000;
        return { perSecond, cpuUs: ((await readCpuUs()) - cpuBeforeUs) / rows };
      },
    );
    return {
      figures: toFigures(results, consumerCounts, stateBytes),
      plots: [plotConsumers(results, consumerCounts, stateBytes)],
    };
  } finally {
    await Promise.all([...children.map((child) => child.stop()), worker.stop()]);
    await Promise.all([fill.close(), floor.close(), bullmq.close()]);
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);

async function ownCpu(): Promise<number> {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const JOBS_AT_ONCE = 1000;

async function addJobs({ saveMany }: Bullmq, jobs: number, states: States): Promise<void> {
  for (let start = 0; start < jobs; start += JOBS_AT_ONCE) {
    const users = [...range(start, Math.min(jobs, start + JOBS_AT_ONCE))];
    await saveMany(users.map((user) => ({ user, state: states.nth(user).state })));
  }
}

function plotConsumers(
  results: Results<SyncResult>,
  consumerCounts: readonly number[],
  stateBytes: number,
): Plot {
  const references = [...results.keys()].filter((name) => !consumerCounts.map(consumersNamed).includes(name));
  const ratiosTo = (reference: string, count: number) => {
    const references = resultsOf(results, reference);
    const ratios = resultsOf(results, consumersNamed(count)).flatMap(({ perSecond }, round) => {
      const other = references[round];
      return other ? [perSecond / other.perSecond] : [];
    });
    return spreadOf(ratios);
  };
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

function toFigures(results: Results<SyncResult>, consumerCounts: readonly number[], stateBytes: number) {
  const goals: Readonly<Record<string, Goal>> = {
    'upsert from unnest alone': { atLeast: 0.8 },
    "BullMQ's worker": { atLeast: 8 },
  };
  const one = consumersNamed(consumerCounts[0] ?? 1);
  const figure = (subject: string, reference: string, goal?: Goal) =>
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
      values: resultsOf(results, subject).map((result, round) => ({
        subject: result.perSecond,
        reference: resultsOf(results, reference)[round]?.perSecond,
      })),
    });
  const cpuFigure = (subject: string, reference: string) =>
    toFigure({
      ...{ what: `${stateBytes} B`, quantity: 'CPU a row, Redis included', unit: 'µs', better: 'lower' },
      ...{ subject, reference },
      values: resultsOf(results, subject).map((result, round) => ({
        subject: result.cpuUs,
        reference: resultsOf(results, reference)[round]?.cpuUs,
      })),
    });
  const others = [...results.keys()].filter((name) => !consumerCounts.map(consumersNamed).includes(name));
  return [
    ...others.map((reference) => figure(one, reference, goals[reference])),
    ...others.map((reference) => cpuFigure(one, reference)),
    ...consumerCounts.slice(1).map((count) => figure(consumersNamed(count), one)),
  ];
}
