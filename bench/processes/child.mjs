import { join } from 'node:path';
import { spawnNode } from '@cauce/dev-services';

const START_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 300_000;

/** Starts a program of this folder that answers commands, one a line. It ends with this process at the latest. */
export async function startChild(program, env) {
  const { PATH, HOME } = process.env;
  const child = await spawnNode(join(import.meta.dirname, program), [], { env: { PATH, HOME, ...env } });
  await child.waitForLine('ready', START_TIMEOUT_MS);
  let asked = 0;
  return {
    /** Sends a command and returns its answer. @throws ServerError with what it wrote, when it ends first */
    async ask(command) {
      const id = ++asked;
      child.write(`${id} ${command}\n`);
      const line = await child.waitForLine(`answer ${id} `, ANSWER_TIMEOUT_MS);
      return JSON.parse(line.slice(`answer ${id} `.length));
    },
    stop: () => child.kill(),
  };
}
