import type { RedisConnection } from '@cauce/protocol';
import type { Command } from 'ioredis';

/** Keys and arguments of a script call: how many keys, the keys, the arguments. */
type ScriptCall = readonly (string | number | Buffer)[];

/** What the scripts are given that a connection calls while `work` goes on. */
export async function recordScriptCalls(
  redis: RedisConnection,
  work: () => Promise<unknown>,
): Promise<ScriptCall[]> {
  const calls: ScriptCall[] = [];
  const { sendCommand } = redis;
  redis.sendCommand = (command: Command, ...rest: unknown[]): unknown => {
    if (command.name === 'evalsha') calls.push(command.args.slice(1) as ScriptCall);
    return Reflect.apply(sendCommand, redis, [command, ...rest]);
  };
  try {
    await work();
  } finally {
    redis.sendCommand = sendCommand;
  }
  return calls;
}
