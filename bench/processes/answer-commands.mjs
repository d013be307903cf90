import { createInterface } from 'node:readline';

/** Serves the commands of `startChild`, and `cpu`: seconds of processor time this process has used so far. */
export function answerCommands(commands) {
  const all = { cpu: cpuSeconds, ...commands };
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const [id, command, argument] = line.split(' ');
    const answer = await all[command](argument);
    process.stdout.write(`answer ${id} ${JSON.stringify(answer ?? null)}\n`);
  });
  process.stdout.write('ready\n');
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
