/** `npm start`: both servers, a sync consumer and a few users, until Ctrl-C. */
import { parseArgs } from 'node:util';
import { describeFailure, exitCodeOf } from './describe-failure.ts';
import { Interruption, watchInterruption } from './interruption.ts';
import { runPipeline } from './run-pipeline.ts';
import { createScreen } from './screen.ts';

const USAGE = 'Usage: npm start [-- --no-bot]';
const EXIT_USAGE = 2;

process.exit(await main());

async function main(): Promise<number> {
  const options = readOptions();
  if (!options) {
    process.stderr.write(`${USAGE}\n`);
    return EXIT_USAGE;
  }
  const signal = watchInterruption(process, (code) => process.exit(code));
  const screen = createScreen(process.stdout, { env: process.env, lineEveryMs: 0 });
  try {
    await runPipeline(options, { env: process.env, screen, signal });
    return 0;
  } catch (error) {
    screen.keepBoard();
    if (error === signal.reason && error instanceof Interruption) {
      screen.say(`\nStopped: ${error.message}.`);
      return error.exitCode;
    }
    process.stderr.write(`\nThe pipeline failed. ${describeFailure(error)}\n`);
    return signal.reason instanceof Interruption ? signal.reason.exitCode : exitCodeOf(error);
  }
}

function readOptions(): { hasBot: boolean } | undefined {
  try {
    const { values } = parseArgs({ options: { 'no-bot': { type: 'boolean', default: false } } });
    return { hasBot: !values['no-bot'] };
  } catch {
    return undefined;
  }
}
