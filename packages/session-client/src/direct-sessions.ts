import { type BotPoolOptions, openDirectTable } from '@cauce/postgres/direct';
import { createKeyspace, hostClocks, InvalidOptionError } from '@cauce/protocol';
import { describeAllowed, isAllowed } from '@cauce/settings';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { createCalls } from './calls.ts';
import { clientOf } from './client-of.ts';
import { createDirectStore } from './direct-store.ts';
import type { SessionClientOptions } from './options.ts';
import type { SessionClient } from './session-client.ts';
import { clientSettings } from './settings.ts';

export type DirectSessionsOptions<T> = BotPoolOptions &
  Pick<SessionClientOptions<T>, 'partitions' | 'maxStateBytes' | 'observe'> & {
    /**
     * Any Standard Schema (zod, valibot, arktype, …), as the `schema` of a session client. Default: states are stored as
     * they are.
     */
    readonly stateSchema?: StandardSchemaV1<unknown, T> | undefined;
  };

const numberOptions = {
  partitions: clientSettings.SESSION_PARTITIONS,
  maxStateBytes: clientSettings.SESSION_MAX_STATE_BYTES,
} as const;

/**
 * Sessions that are saved to PostgreSQL directly, without Redis: the same calls, errors and versions as of a session
 * client. A save is one transaction, of one round trip with a pool opened here, and is durable as `postgres` says,
 * whatever `durability` asks. A partition whose writer mode is not `direct` is refused: SaveRejectedError with
 * `failure.reason` `MODE_MOVING` (retryable) or `MODE_REDIS`, and RestoreError for loads. Nothing is cached of a tenant.
 *
 * @throws InvalidOptionError that lists every option out of its bounds
 */
export function createDirectSessions<T = unknown>(options: DirectSessionsOptions<T>): SessionClient<T> {
  const { partitions, maxStateBytes } = resolveNumbers(options);
  const table = openDirectTable(options, { partitions });
  const store = createDirectStore({ table, keyspace: createKeyspace({ partitions }) }, { maxStateBytes });
  const calls = createCalls({ now: hostClocks.now, observe: options.observe });
  const { stateSchema: schema, timeoutMs = 2000 } = options;
  return clientOf(
    { store, calls },
    { schema, maxStateBytes, durability: 'postgres', canCommit: true, closeGraceMs: timeoutMs },
  );
}

function resolveNumbers(
  options: Pick<SessionClientOptions<never>, 'partitions' | 'maxStateBytes' | 'observe'> & {
    readonly stateSchema?: { readonly '~standard'?: { readonly validate?: unknown } } | undefined;
  },
): Record<keyof typeof numberOptions, number> {
  const problems: string[] = [];
  const numbers = { partitions: 0, maxStateBytes: 0 };
  for (const name of ['partitions', 'maxStateBytes'] as const) {
    numbers[name] = options[name] ?? numberOptions[name].default;
    if (!isAllowed(numberOptions[name], numbers[name])) {
      problems.push(
        `${name} is ${String(numbers[name])}; allowed is ${describeAllowed(numberOptions[name])}`,
      );
    }
  }
  const { stateSchema, observe } = options;
  if (stateSchema && typeof stateSchema['~standard']?.validate !== 'function') {
    problems.push('stateSchema is not a Standard Schema (https://standardschema.dev)');
  }
  if (observe && typeof observe !== 'function') problems.push('observe is not a function');
  if (problems.length > 0) {
    throw new InvalidOptionError(`The options of the direct sessions are wrong: ${problems.join('; ')}.`);
  }
  return numbers;
}
