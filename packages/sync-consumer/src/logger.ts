import { classifyPostgresFailure } from '@cauce/postgres';
import pino, { type Logger } from 'pino';

/**
 * JSON lines. Only named fields are logged, never a session's state or id, a URL or a statement's values; an
 * error is reduced to what an operator can act on.
 */
export function createLogger(level: string, destination?: pino.DestinationStream): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** For embedding without a logger. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

// pg's errors contain the failing row in `detail` and `where`, those of data also in the message; ioredis' contain the
// command's arguments. Only named fields pass.
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  const isSqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in error;
  if (isSqlState) return { name, code, message: classifyPostgresFailure(error).summary };
  return { name, code, message, stack };
}
