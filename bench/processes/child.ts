import { join } from 'node:path';
import { type Environment, spawnNode } from '@cauce/dev-services';

const START_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 300_000;

/** A process that answers commands: a type of the answer for each. */
export interface Child<Answers extends object> {
  /** Sends a command and returns its answer. @throws ServerError with what it wrote, when it ends first */
  ask<Command extends keyof Answers & string>(command: Command, argument?: number): Promise<Answers[Command]>;
  stop(): Promise<void>;
}

/** What a consumer answers, by command. */
export interface ConsumerAnswers {
  readonly sync: { readonly written: number; readonly statements: number };
  readonly cpu: number;
}

export function startConsumer(env: Environment): Promise<Child<ConsumerAnswers>> {
  return startChild('consumer.js', env);
}

/** Starts a program of this folder that answers commands, one a line. It ends with this process at the latest. */
export async function startChild<Answers extends object>(
  program: string,
  env: Environment,
): Promise<Child<Answers>> {
  const { PATH, HOME } = process.env;
  const child = await spawnNode(join(import.meta.dirname, program), [], { env: { PATH, HOME, ...env } });
  await child.waitForLine('ready', START_TIMEOUT_MS);
  let asked = 0;
  return {
    async ask(command, argument) {
      const id = ++asked;
      child.write(`${id} ${[command, ...(argument === undefined ? [] : [argument])].join(' ')}\n`);
      const line = await child.waitForLine(`answer ${id} `, ANSWER_TIMEOUT_MS);
      return JSON.parse(line.slice(`answer ${id} `.length));
    },
    stop: async () => void (await child.kill()),
  };
}
