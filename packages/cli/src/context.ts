import { createPool } from '@cauce/postgres';
import { type OpenRedis, openRedis, type RedisTlsFiles } from '@cauce/protocol';

export interface TextStream {
  write(text: string): unknown;
  readonly isTTY: boolean;
  /** Of a terminal. */
  readonly columns?: number | undefined;
}

export type PostgresPool = ReturnType<typeof createPool>;

/** Everything a command touches outside itself. `main.ts` gives the process's own; a test gives others. */
export interface CliContext {
  readonly version: string;
  /** Data, and nothing else. */
  readonly stdout: TextStream;
  /** Messages, progress, questions, errors. */
  readonly stderr: TextStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly readFile: (path: string) => Promise<string>;
  /** Asks y/N. Undefined when nobody can answer. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
  /** How long a store may take to accept a connection, ms. */
  readonly connectTimeoutMs: number;
  readonly openRedis: (url: string, tlsFiles: RedisTlsFiles) => OpenRedis;
  readonly openPostgres: (url: string, options: { maxConnections: number }) => PostgresPool;
}

const CONNECT_TIMEOUT_MS = 5000;
const REDIS_ANSWER_TIMEOUT_MS = 10_000;
const QUERY_TIMEOUT_MS = 15_000;

/** The real stores. Opening connects lazily; a failure shows in the first call. */
export const realStores: Pick<CliContext, 'connectTimeoutMs' | 'openRedis' | 'openPostgres'> = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  openRedis: (url, tlsFiles) =>
    openRedis(url, {
      tlsFiles,
      connectionName: 'cauce-cli',
      answerTimeoutMs: REDIS_ANSWER_TIMEOUT_MS,
      // The call that needs the connection fails with the reason.
      onError: () => {},
    }),
  openPostgres: (url, { maxConnections }) =>
    createPool({
      databaseUrl: url,
      maxConnections,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      queryTimeoutMs: QUERY_TIMEOUT_MS,
      onError: () => {},
    }),
};
