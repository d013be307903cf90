#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { whenLauncherGone } from '@cauce/sync-consumer';
import { realStores, type TextStream } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { runCli } from './run-cli.ts';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
  version: string;
};
const TELL_AFTER_MS = 300;
const interrupted = new AbortController();
const isInteractive = process.stdin.isTTY && process.stderr.isTTY;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(exitCodes.interrupted);
    interrupted.abort();
    // Most of what is interrupted has ended by then.
    setTimeout(
      () => process.stderr.write('\nStopping. Press Ctrl-C again to stop at once.\n'),
      TELL_AFTER_MS,
    ).unref();
  });
}
// As a signal that npm did not pass on.
whenLauncherGone({ env: process.env, parentPid: () => process.ppid }, () =>
  process.kill(process.pid, 'SIGTERM'),
);
// `cauce … | head` closes the pipe: nobody reads on, so there is nothing left to do.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

// Not process.exit: what was written to a pipe must get out first.
process.exitCode = await runCli(process.argv.slice(2), {
  ...realStores,
  version,
  stdout: streamOf(process.stdout),
  stderr: streamOf(process.stderr),
  env: process.env,
  signal: interrupted.signal,
  nowMs: Date.now,
  readFile: (path) => readFile(path, 'utf8'),
  confirm: isInteractive ? confirm : undefined,
});

function streamOf(stream: NodeJS.WriteStream): TextStream {
  return {
    write: (text) => stream.write(text),
    isTTY: stream.isTTY ?? false,
    get columns() {
      return stream.columns;
    },
  };
}

async function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // readline takes Ctrl-C for itself while it asks.
  terminal.on('SIGINT', () => interrupted.abort());
  try {
    return /^y(es)?$/i.test(await terminal.question(question, { signal: interrupted.signal }));
  } finally {
    terminal.close();
  }
}
