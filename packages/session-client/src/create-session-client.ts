import { hostClocks } from '@cauce/protocol';
import { createCalls } from './calls.ts';
import { clientOf } from './client-of.ts';
import { resolveOptions, type SessionClientOptions } from './options.ts';
import { createRedisStore } from './redis-store.ts';
import type { SessionClient } from './session-client.ts';

/**
 * Opens a session client. It connects at once, in the background; the first call waits for the connection.
 *
 * @throws InvalidOptionError that lists every option out of its bounds
 */
export function createSessionClient<T = unknown>(options: SessionClientOptions<T>): SessionClient<T> {
  const resolved = resolveOptions(options);
  const calls = createCalls({ now: hostClocks.now, observe: resolved.observe });
  const store = createRedisStore({ clocks: hostClocks, signal: calls.closing }, resolved);
  return clientOf(
    { store, calls },
    {
      ...{ schema: resolved.schema, maxStateBytes: resolved.maxStateBytes, durability: resolved.durability },
      ...{ canCommit: resolved.loader?.write !== undefined, closeGraceMs: resolved.commandTimeoutMs },
    },
  );
}
