import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnNode } from '@cauce/dev-services';
import { ChildFailure, describeExit } from './child-failure.ts';
import { type ConsumerCounters, scrapeConsumer } from './scrape-consumer.ts';

export interface ConsumerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly httpUrl: string;
  readonly isRunning: boolean;
  /** What it has done so far; the last known numbers when it does not answer. */
  counters(): Promise<ConsumerCounters>;
  /** SIGKILL: it gets no chance to finish anything. */
  kill(): Promise<void>;
  /** SIGTERM: it finishes what is under way. @throws ChildFailure when it ends with anything but 0 */
  stop(): Promise<void>;
}

export interface ConsumerProcessOptions {
  /** The whole environment of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called when it ends before it was stopped or killed. */
  readonly onFailure: (failure: ChildFailure) => void;
}

const START_TIMEOUT_MS = 20_000;

/**
 * Starts `cauce-sync` and returns when it syncs sessions. It ends with this process at the latest.
 *
 * @throws ServerError when it does not get that far, with what it wrote last
 */
export async function startConsumerProcess(options: ConsumerProcessOptions): Promise<ConsumerProcess> {
  const child = await spawnNode(consumerProgram(), [], { env: options.env });
  let isOver = false;
  let counters: ConsumerCounters = { rows: 0, statements: 0 };
  let httpUrl: string;
  try {
    const [started] = await Promise.all([
      child.waitForLine('"msg":"started"', START_TIMEOUT_MS),
      child.waitForLine('"msg":"syncing sessions"', START_TIMEOUT_MS),
    ]);
    const { httpPort } = JSON.parse(started) as { httpPort: number };
    httpUrl = `http://127.0.0.1:${httpPort}`;
  } catch (error) {
    await child.kill();
    throw error;
  }
  void child.exit.then((exit) => {
    if (!isOver) options.onFailure(new ChildFailure('cauce-sync', describeExit(exit), child.output()));
  });

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    isOver = true;
    await child.kill(signal);
  };
  return {
    pid: child.pid,
    httpUrl,
    get isRunning() {
      return child.isRunning;
    },
    async counters() {
      counters = (await scrapeConsumer(httpUrl)) ?? counters;
      return counters;
    },
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM');
      const exit = await child.exit;
      if (exit.code !== 0) throw new ChildFailure('cauce-sync', describeExit(exit), child.output());
    },
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  };
}

function consumerProgram(): string {
  return join(dirname(fileURLToPath(import.meta.resolve('@cauce/sync-consumer'))), 'main.js');
}
