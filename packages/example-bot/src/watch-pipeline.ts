import { measureBacklog, readHeartbeats } from '@cauce/admin';
import type { BotReport } from './bot-messages.ts';
import type { Stores } from './open-stores.ts';
import type { LatencySummary } from './save-latency.ts';

/** What the board shows. */
export interface PipelineView {
  readonly elapsedSeconds: number;
  readonly writesPerSecond: number;
  /** Of the saves of the last 2 s. */
  readonly recent: LatencySummary | undefined;
  /** Sessions whose newest version PostgreSQL does not have. */
  readonly queuedSessions: number;
  readonly lastSyncAgeMs: number | undefined;
  readonly syncDurationMs: number | undefined;
  /** Of all consumers. */
  readonly failedSyncs: number;
  readonly consumer: string;
}

export interface WatchDeps {
  readonly stores: Pick<Stores, 'redis' | 'keyspace'>;
  readonly botReport: () => BotReport | undefined;
  /** Which consumer there is, and what became of it. */
  readonly consumer: () => string;
  readonly show: (view: PipelineView) => void;
}

const LOOK_MS = 500;
/** Writes per second are counted over this many looks. */
const RATE_LOOKS = 4;

/** Looks at the pipeline twice a second from the outside, as `cauce status` would. Stop it before the stores. */
export function watchPipeline({ stores, botReport, consumer, show }: WatchDeps): AsyncDisposable {
  const startedMs = performance.now();
  const stop = new AbortController();
  let writes: { atMs: number; count: number }[] = [];

  const look = async (): Promise<void> => {
    const [backlog, heartbeats] = await Promise.all([
      measureBacklog(stores.redis, stores.keyspace),
      readHeartbeats(stores.redis, stores.keyspace),
    ]);
    if (stop.signal.aborted) return;
    const report = botReport();
    const count = report ? report.counts.saved + report.counts.cleared : 0;
    writes = [...writes, { atMs: performance.now(), count }].slice(-RATE_LOOKS - 1);
    const [newest] = heartbeats.filter(({ lastSyncDurationMs }) => lastSyncDurationMs !== undefined);
    const trouble = heartbeats.find(({ state }) => state === 'away' || state === 'misconfigured');
    show({
      elapsedSeconds: (performance.now() - startedMs) / 1000,
      writesPerSecond: rateOf(writes),
      recent: report?.recent,
      queuedSessions: backlog.dirtySessions,
      lastSyncAgeMs: newest?.lastSyncAtMs === undefined ? undefined : Date.now() - newest.lastSyncAtMs,
      syncDurationMs: newest?.lastSyncDurationMs,
      failedSyncs: heartbeats.reduce((sum, { failedSyncs }) => sum + failedSyncs, 0),
      consumer: trouble ? `${consumer()}: ${trouble.problem ?? trouble.state}` : consumer(),
    });
  };

  let looking = Promise.resolve();
  const timer = setInterval(() => {
    // A look that fails leaves the board as it is; what is wrong shows in the processes themselves.
    looking = looking.then(look).catch(() => {});
  }, LOOK_MS);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      stop.abort();
      await looking;
    },
  };
}

function rateOf(writes: readonly { atMs: number; count: number }[]): number {
  const [first, last] = [writes[0], writes.at(-1)];
  if (!first || !last || first === last) return 0;
  return ((last.count - first.count) * 1000) / (last.atMs - first.atMs);
}
