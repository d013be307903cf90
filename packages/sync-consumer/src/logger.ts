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

// pg's errors carry the failing row in `detail` and `where`; ioredis' carry the command's arguments.
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  const isAboutData = typeof code === 'string' && /^(21|22|23|P0)/.test(code);
  return isAboutData ? { name, code } : { name, code, message, stack };
}
