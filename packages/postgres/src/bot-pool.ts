import { DeadlineError, ErrorCause, hostClocks, InvalidOptionError, withDeadline } from '@cauce/protocol';
import { plainIdentifier } from '@cauce/settings';
import type pg from 'pg';
import { isPlainIdentifier } from './identifiers.ts';
import { createPool } from './pool.ts';
import { renderStatements, type Statements } from './statements.ts';
import type { TransactionLimits } from './transaction.ts';
import { createTurns } from './turns.ts';

export type BotPoolOptions = (
  | {
      /**
       * A pool you own: never closed here; its 'error' events are yours to handle. With `pipeline: true` a load or a
       * write is one round trip, otherwise one for each statement of it: three or four.
       */
      readonly pool: pg.Pool;
      readonly databaseUrl?: undefined;
    }
  | {
      /** `postgres://` URL of the primary, never of a replica; PgBouncer in transaction mode works. */
      readonly databaseUrl: string;
      readonly pool?: undefined;
    }
) & {
  /** Schema of the table: a lower-case SQL identifier of at most 50 characters. Default `public`. */
  readonly schema?: string | undefined;
  /** The sync consumer's table, named in the same way. Default `session`. */
  readonly table?: string | undefined;
  /**
   * How long a load or a write may take, waiting for its turn and for a connection included, ms; then the server gives
   * up too. Default 2000; 10 to 60,000. Below the client's `leaseTtlMs`.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Statements at the same time, so that a Redis that lost its sessions does not take PostgreSQL down too; also
   * the connections of a pool opened here. Default 4; 1 to 100.
   */
  readonly maxConcurrent?: number | undefined;
  /** Called with errors of idle connections of a pool opened here; the pool heals by itself. Default: nothing is called. */
  readonly onError?: ((error: Error) => void) | undefined;
};

/** What a bot has of PostgreSQL: a few connections, and a limit on how long it waits for one and for an answer. */
export interface BotPool {
  readonly pool: pg.Pool;
  readonly statements: Statements;
  /** `schema.table` */
  readonly tableName: string;
  /**
   * Runs the work in its turn. The turn lasts until PostgreSQL has answered, even if nobody waits for the answer any
   * more. `limits` is asked when there is a connection, right before something is sent.
   *
   * @throws DeadlineError; what pg throws, which may quote a row
   */
  inTurn<Result>(
    work: (limits: () => TransactionLimits) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result>;
  /** Ends the pool if it was opened here. */
  close(): Promise<void>;
}

/** How much longer than the server itself its answer may take, ms. */
const ANSWER_GRACE_MS = 1000;
/** Of the time limit: with less of it left nothing is asked. */
const LEAST_SHARE = 0.02;

/** @throws InvalidOptionError for options out of their bounds */
export function openBotPool(options: BotPoolOptions): BotPool {
  const { schema = 'public', table = 'session', timeoutMs = 2000, maxConcurrent = 4 } = options;
  refuseInvalid(options, { schema, table, timeoutMs, maxConcurrent });
  const pool =
    options.pool ??
    createPool({
      databaseUrl: options.databaseUrl,
      applicationName: 'cauce-session-client',
      maxConnections: maxConcurrent,
      connectTimeoutMs: timeoutMs,
      onError: (error) => options.onError?.(ErrorCause.ofDriver(error)),
    });
  const turns = createTurns(maxConcurrent);
  const { now } = hostClocks;
  let closed: Promise<void> | undefined;

  return {
    pool,
    statements: renderStatements({ schema, table }),
    tableName: `${schema}.${table}`,
    async inTurn(work, signal) {
      signal?.throwIfAborted();
      const untilMs = now() + timeoutMs;
      const limits = () => {
        const leftMs = Math.floor(untilMs - now());
        if (leftMs < 1) throw new DeadlineError(timeoutMs);
        // The server gives up when the caller does: a backend that waits for a lock does not notice that nobody waits
        // for it.
        return { statementTimeoutMs: leftMs, answerTimeoutMs: leftMs + ANSWER_GRACE_MS };
      };
      const turn = turns.take();
      const answer = turn.came
        .then(() => {
          // The server gives those before up at the same moment as their callers, and these may be about to give up, too.
          if (untilMs - now() < LEAST_SHARE * timeoutMs) throw new DeadlineError(timeoutMs);
          return work(limits);
        })
        .finally(turn.leave);
      try {
        return await withDeadline(answer, timeoutMs);
      } finally {
        turn.giveUp();
      }
    },
    close() {
      closed ??= options.pool ? Promise.resolve() : pool.end();
      return closed;
    },
  };
}

function refuseInvalid(
  options: BotPoolOptions,
  resolved: { schema: string; table: string; timeoutMs: number; maxConcurrent: number },
): void {
  const problems: string[] = [];
  for (const name of ['schema', 'table'] as const) {
    if (!isPlainIdentifier(resolved[name])) {
      problems.push(`${name} is ${JSON.stringify(resolved[name])}; allowed is ${plainIdentifier.allowed}`);
    }
  }
  const bounds = { timeoutMs: [10, 60_000], maxConcurrent: [1, 100] } as const;
  for (const name of ['timeoutMs', 'maxConcurrent'] as const) {
    const [min, max] = bounds[name];
    if (!Number.isInteger(resolved[name]) || resolved[name] < min || resolved[name] > max) {
      problems.push(`${name} is ${resolved[name]}; allowed is a whole number from ${min} to ${max}`);
    }
  }
  if (!options.pool && !/^postgres(ql)?:\/\/\S+$/.test(options.databaseUrl ?? '')) {
    problems.push('databaseUrl is not a postgres:// URL, and there is no pool');
  }
  if (problems.length > 0) {
    throw new InvalidOptionError(`The options for PostgreSQL are wrong: ${problems.join('; ')}.`);
  }
}
