import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { ServerError } from './server-error.ts';

/**
 * Below the range from which Linux (32768 up) and macOS (49152 up) take the ports of outgoing
 * connections. A client that keeps reconnecting to a port inside that range while the server is
 * down can be given that very port, connect to itself, and keep the server from coming back.
 */
const FIRST_PORT = 15_000;
const LAST_PORT = 32_000;
const ATTEMPTS = 100;

/** A port of 127.0.0.1 on which nothing listened a moment ago. Somebody else may still take it. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (await canListenOn(port)) return port;
  }
  throw new ServerError(
    'START_FAILED',
    `No free port found on 127.0.0.1 in ${ATTEMPTS} random tries between ${FIRST_PORT} and ` +
      `${LAST_PORT}. Check that this process may listen on 127.0.0.1 at all.`,
  );
}

/**
 * Calls `start` with `fixedPort`, or with free ports until one is not snatched away in between.
 *
 * @throws whatever `start` throws; a `PORT_TAKEN` only for a fixed port or after five tries.
 */
export async function startOnFreePort<T>(
  fixedPort: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (fixedPort !== undefined) return start(fixedPort);
  for (let triesLeft = 4; ; triesLeft--) {
    try {
      return await start(await findFreePort());
    } catch (error) {
      const isRetryable = error instanceof ServerError && error.code === 'PORT_TAKEN';
      if (!isRetryable || triesLeft === 0) throw error;
    }
  }
}

function canListenOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}
