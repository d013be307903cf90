/** `npm run demo`: the whole pipeline on this machine, with a kill in the middle. Exit code 0: nothing was lost. */
import { parseArgs } from 'node:util';
import { describeFailure, exitCodeOf } from './describe-failure.ts';
import { Interruption, watchInterruption } from './interruption.ts';
import { runDemo } from './run-demo.ts';
import { createScreen } from './screen.ts';

const USAGE = 'Usage: npm run demo [-- --users <1 to 5000> --seconds <4 to 3600>]';
const EXIT_LOST = 1;
const EXIT_USAGE = 2;

process.exit(await main());

async function main(): Promise<number> {
  const options = readOptions();
  if (!options) {
    process.stderr.write(`${USAGE}\n`);
    return EXIT_USAGE;
  }
  const signal = watchInterruption(process, (code) => process.exit(code));
  const screen = createScreen(process.stdout, { env: process.env, lineEveryMs: 2000 });
  try {
    return (await runDemo(options, { env: process.env, screen, signal })) ? 0 : EXIT_LOST;
  } catch (error) {
    screen.keepBoard();
    if (error === signal.reason && error instanceof Interruption) {
      screen.say(`\nStopped: ${error.message}. Nothing was left behind.`);
      return error.exitCode;
    }
    process.stderr.write(`\nThe demo failed. ${describeFailure(error)}\n`);
    return signal.reason instanceof Interruption ? signal.reason.exitCode : exitCodeOf(error);
  }
}

function readOptions(): { users: number; seconds: number } | undefined {
  try {
    const { values } = parseArgs({
      options: { users: { type: 'string', default: '300' }, seconds: { type: 'string', default: '20' } },
    });
    const [users, seconds] = [Number(values.users), Number(values.seconds)];
    const isUsers = Number.isInteger(users) && users >= 1 && users <= 5000;
    return isUsers && seconds >= 4 && seconds <= 3600 ? { users, seconds } : undefined;
  } catch {
    return undefined;
  }
}
