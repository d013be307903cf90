import { createHash } from 'node:crypto';
import { lua } from '../../generated/lua.ts';
import { FORBIDDEN_IN_SCRIPT, refusedCommand } from '../../redis/explain-failure.ts';
import { RedisError, withDeadline } from '../../redis/failure.ts';
import type { RedisConnection } from '../../redis/redis-connection.ts';
import type { Keyspace } from '../keyspace.ts';

export type ScriptName = keyof typeof lua;
export type Argument = string | number;
type RedisCommand = (...args: Argument[]) => Promise<unknown>;

/** @throws RedisError */
export type RunScript = (
  name: ScriptName,
  keys: readonly string[],
  args: readonly Argument[],
) => Promise<unknown>;

export interface ScriptDeps {
  readonly run: RunScript;
  readonly keyspace: Keyspace;
}

/**
 * Registers the scripts on the connection.
 *
 * @param timeoutMs a call without an answer for this long is given up as `unknown`
 */
export function scriptRunner(
  redis: RedisConnection,
  { timeoutMs }: { readonly timeoutMs: number },
): RunScript {
  const commands = defineCommands(redis);
  return async (name, keys, args) => {
    try {
      return await withDeadline(commands[name](keys.length, ...keys, ...args), timeoutMs);
    } catch (error) {
      throw scriptFailure(name, error);
    }
  };
}

/**
 * The scripts as commands of this connection: ioredis sends EVALSHA and repeats with the text on NOSCRIPT.
 * The names contain a hash of the text, so that two releases on one connection do not swap scripts.
 */
function defineCommands(redis: RedisConnection): Record<ScriptName, RedisCommand> {
  const methods = redis as unknown as Record<string, RedisCommand | undefined>;
  const define = (name: ScriptName): [ScriptName, RedisCommand] => {
    const method = `cauce_${name}_${createHash('sha1').update(lua[name]).digest('hex').slice(0, 8)}`;
    if (!methods[method]) redis.defineCommand(method, { lua: lua[name] });
    return [name, (methods[method] as RedisCommand).bind(redis)];
  };
  return Object.fromEntries((Object.keys(lua) as ScriptName[]).map(define)) as Record<
    ScriptName,
    RedisCommand
  >;
}

export function scriptFailure(name: ScriptName, error: unknown): RedisError {
  return RedisError.from(withCommand(name, error), name);
}

/** Redis names no command that the user may not run in a script, only its line. */
function withCommand(name: ScriptName, error: unknown): unknown {
  if (!(error instanceof Error && FORBIDDEN_IN_SCRIPT.test(error.message))) return error;
  const command = refusedCommand(lua[name], error.message);
  const message = `the Redis user may not run ${command}, which the script ${name} needs: grant it. ${error.message}`;
  return Object.assign(new Error(message), { name: error.name });
}
