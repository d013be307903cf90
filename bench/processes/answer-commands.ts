import { createInterface } from 'node:readline';

/** What is done for each command; its argument is '' when there is none. */
export type Commands = Readonly<Record<string, (argument: string) => unknown>>;

/** Serves the commands of `startChild`, and `cpu`: seconds of processor time this process has used so far. */
export function answerCommands(commands: Commands): void {
  const all: Commands = { cpu: cpuSeconds, ...commands };
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [id, command = '', argument = ''] = line.split(' ');
    const answer = await all[command]?.(argument);
    process.stdout.write(`answer ${id} ${JSON.stringify(answer ?? null)}\n`);
  });
  process.stdout.write('ready\n');
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
