import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callgrind, provideValgrind, type RedisServer, startRedis, tellCallgrind } from '@cauce/dev-services';

/** Valgrind makes it about fifty times slower. */
const START_TIMEOUT_MS = 60_000;

export interface CountingRedis {
  readonly server: RedisServer;
  /** How many instructions Redis executes, in all its threads, while `work` goes on. */
  count(work: () => Promise<void>): Promise<number>;
  stop(): Promise<void>;
}

/** A private Redis under callgrind, append-only file on. @throws ServerError as `provideValgrind` and `startRedis` do */
export async function startCountingRedis(): Promise<CountingRedis> {
  const valgrind = await provideValgrind({ onNotice: console.error });
  const folder = mkdtempSync(join(tmpdir(), 'cauce-callgrind-'));
  const outFile = join(folder, 'counts');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const server = await startRedis({
    under: callgrind(valgrind, outFile),
    startTimeoutMs: START_TIMEOUT_MS,
    // Neither a rewrite of the append-only file nor what Redis does ten times a second is part of what is counted: the
    // latter would count for more the busier the machine is.
    extraArgs: ['--auto-aof-rewrite-percentage', '0', '--hz', '1'],
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  let dumps = 0;
  return {
    server,
    async count(work) {
      await tellCallgrind(valgrind, server.pid, 'zero');
      await work();
      await tellCallgrind(valgrind, server.pid, 'dump');
      return readSummary(`${outFile}.${++dumps}`);
    },
    async stop() {
      await server.stop();
      remove();
    },
  };
}

function readSummary(file: string): number {
  const [, instructions] = /^summary: (\d+)/m.exec(readFileSync(file, 'utf8')) ?? [];
  if (instructions === undefined) throw new Error(`callgrind wrote no summary to ${file}`);
  return Number(instructions);
}
