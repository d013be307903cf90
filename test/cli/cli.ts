import { type CliContext, realStores, runCli } from '@cauce/cli';
import type { SessionRef } from '@cauce/protocol';
import { expect } from 'vitest';
import { createPipeline, type Pipeline } from '../helpers/pipeline.ts';

/** In every state and every password of these tests; must never be printed. */
export const CANARY = 'canary-7f3b1e';

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The JSON object on stdout. */
  readonly json: Record<string, unknown>;
}

export interface Cli extends Pipeline {
  /** Runs `cauce <args>`, captures what it writes, and refuses output with the canary in it. */
  run(
    args: readonly string[],
    context?: Partial<CliContext> & { isTTY?: boolean; columns?: number; onStdout?: () => void },
  ): Promise<CliRun>;
  /** With `--json`. */
  runJson(args: readonly string[], context?: Partial<CliContext>): Promise<CliRun>;
  /** Reads what waits as `consumer` and leaves it pending, as a process that dies does. Returns how many. */
  abandon(consumer: string): Promise<number>;
  countPending(): Promise<number>;
  /** PostgreSQL refuses states with a `poison` from now on. */
  refusePoison(): Promise<void>;
  acceptPoison(): Promise<void>;
}

export async function createCli(options: Parameters<typeof createPipeline>[0] = {}): Promise<Cli> {
  const pipeline = await createPipeline(options);
  const { redis, keyspace, scripts, pool, table } = pipeline;
  const partitions = Array.from({ length: keyspace.partitions }, (_, partition) => partition);
  const env = {
    ...pipeline.env,
    REDIS_URL: withPassword(pipeline.redisUrl, 'default'),
    DATABASE_URL: withPassword(pipeline.databaseUrl),
  };

  const run: Cli['run'] = async (args, { isTTY = false, columns, onStdout, ...context } = {}) => {
    const written = { stdout: '', stderr: '' };
    const stream = (name: 'stdout' | 'stderr') => ({
      isTTY,
      columns,
      write: (text: string) => {
        written[name] += text;
        if (name === 'stdout') onStdout?.();
      },
    });
    const code = await runCli(args, {
      ...realStores,
      version: '0.0.0',
      stdout: stream('stdout'),
      stderr: stream('stderr'),
      env,
      signal: new AbortController().signal,
      nowMs: Date.now,
      readFile: () => Promise.reject(new Error('no files here')),
      confirm: undefined,
      connectTimeoutMs: 2000,
      ...context,
    });
    expect(written.stdout + written.stderr).not.toContain(CANARY);
    const { stdout, stderr } = written;
    return {
      code,
      stdout,
      stderr,
      get json() {
        return JSON.parse(stdout) as Record<string, unknown>;
      },
    };
  };

  return {
    ...pipeline,
    env,
    run,
    runJson: (args, context) => run([...args, '--json'], context),
    async abandon(consumer) {
      let read = 0;
      for (const partition of partitions) {
        await scripts.openPartition(partition, { floor: '0', createGroup: true });
        const changes = keyspace.changes(partition);
        const reply = (await redis.xreadgroup(
          'GROUP',
          'sync',
          consumer,
          'COUNT',
          10_000,
          'STREAMS',
          changes,
          '>',
        )) as [string, unknown[]][] | null;
        read += reply?.[0]?.[1].length ?? 0;
      }
      return read;
    },
    async countPending() {
      const counts = await Promise.all(
        partitions.map(async (partition) => {
          const [count] = (await redis.xpending(keyspace.changes(partition), 'sync')) as [number];
          return count;
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async refusePoison() {
      await pool.query(
        `ALTER TABLE ${table} ADD CONSTRAINT no_poison CHECK (NOT coalesce(state ? 'poison', false))`,
      );
    },
    async acceptPoison() {
      await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT no_poison`);
    },
  };
}

/** A state with the canary in it. */
export function secretState(rest: object = {}): object {
  return { note: CANARY, ...rest };
}

export function user(userId: string): SessionRef {
  return { tenantId: 'acme', userId };
}

/** The servers of these tests accept any password. */
function withPassword(url: string, username?: string): string {
  return url.replace(/^([a-z+]+:\/\/)([^@/]*)@?/, (_, scheme: string, before: string) => {
    const [user, hosts] = url.includes('@') ? [before, ''] : [username ?? '', before];
    return `${scheme}${user}:${CANARY}@${hosts}`;
  });
}
