import { spawn } from 'node:child_process';
import { currentEnvironment, type Environment } from './environment.ts';
import { startGuard } from './process-guard.ts';
import { sendSignal } from './process-tree.ts';
import { lastLines } from './run-command.ts';
import { ServerError } from './server-error.ts';

/** How to start a process. Every field may be left out. */
export interface SpawnOptions {
  /** The whole environment of the process. Default: the environment of this process. */
  readonly env?: Environment;
  /** Default: the folder this process runs in. */
  readonly cwd?: string;
}

/** How a process ended: exactly one of the two is null. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A running process whose output is collected. It keeps this process alive while it runs, and ends with
 * this process at the latest, also if this process is killed.
 */
export interface SpawnedProcess extends AsyncDisposable {
  readonly pid: number;
  readonly isRunning: boolean;
  /** Resolves when the process has ended and all its output has been read. Never rejects. */
  readonly exit: Promise<ExitStatus>;
  /** Everything it wrote so far: standard output, standard error, or (default) both as they came. */
  output(from?: 'stdout' | 'stderr'): string;
  /**
   * The first line of standard output that matches, also if it was written before the call.
   *
   * @throws ServerError `START_FAILED` with the end of the output, if the process ends first or
   *   `timeoutMs` (default 10,000) go by.
   */
  waitForLine(pattern: RegExp | string, timeoutMs?: number): Promise<string>;
  /** Writes to its standard input. */
  write(text: string): void;
  /** Sends a signal, which need not end it. False if it has ended already. */
  signal(signal: NodeJS.Signals): boolean;
  /** Sends a signal (default SIGKILL) and returns when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<ExitStatus>;
  /** SIGSTOP: it stays where it is. */
  pause(): void;
  /** SIGCONT: it goes on. */
  resume(): void;
}

/**
 * Starts a Node.js script with the Node.js that runs this one.
 *
 * @param script path of a JavaScript file. Node.js options go before it in `nodeArgs`.
 */
export function spawnNode(
  script: string,
  args: readonly string[] = [],
  options: SpawnOptions & { readonly nodeArgs?: readonly string[] } = {},
): Promise<SpawnedProcess> {
  return spawnProcess(process.execPath, [...(options.nodeArgs ?? []), script, ...args], options);
}

/**
 * Starts a program and returns once it runs.
 *
 * @throws ServerError `START_FAILED` if it cannot be started at all.
 */
export async function spawnProcess(
  command: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<SpawnedProcess> {
  const { env = currentEnvironment(), cwd } = options;
  const guard = startGuard({ endSignal: 'KILL' });
  const child = spawn(command, args, {
    env: { ...env },
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
  const line = [command, ...args].join(' ');
  const exit = new Promise<ExitStatus>((resolve) => {
    child.once('exit', () => {
      guard.watch([]);
    });
    child.once('close', (code, signal) => {
      void guard.finish().then(() => {
        resolve({ code, signal });
      });
    });
  });
  const startError = await new Promise<Error | undefined>((resolve) => {
    child.once('error', resolve);
    child.once('spawn', () => {
      resolve(undefined);
    });
  });
  const { pid } = child;
  if (startError || pid === undefined) {
    await guard.finish();
    const reason = startError?.message ?? 'it has no process id';
    throw new ServerError('START_FAILED', `${line} cannot be started: ${reason}`);
  }
  guard.watch([pid]);

  const written = { stdout: '', stderr: '', both: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
      written.both += text;
      for (const listener of listeners) listener();
    });
  }
  child.stdin.on('error', () => {
    // It ended, or closed its input: its exit status tells.
  });
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const signal = (name: NodeJS.Signals): boolean => isRunning() && sendSignal(pid, name);

  const waitForLine = (pattern: RegExp | string, timeoutMs = 10_000): Promise<string> =>
    new Promise((resolve, reject) => {
      const isMatch = (text: string): boolean =>
        typeof pattern === 'string' ? text.includes(pattern) : text.search(pattern) >= 0;
      const look = (): void => {
        const found = written.stdout.split('\n').slice(0, -1).find(isMatch);
        if (found !== undefined) settle(() => resolve(found));
      };
      const fail = (reason: string): void => {
        const message = `${line}: no line like ${pattern} before ${reason}.\n${lastLines(written.both)}`;
        settle(() => reject(new ServerError('START_FAILED', message)));
      };
      const settle = (done: () => void): void => {
        clearTimeout(timer);
        listeners.delete(look);
        done();
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms had passed`), timeoutMs);
      listeners.add(look);
      look();
      void exit.then(() => fail('it ended'));
    });

  const kill = (name: NodeJS.Signals = 'SIGKILL'): Promise<ExitStatus> => {
    signal(name);
    // A stopped process gets no signal but SIGKILL before it goes on.
    if (name !== 'SIGKILL') signal('SIGCONT');
    return exit;
  };
  return {
    pid,
    get isRunning() {
      return isRunning();
    },
    exit,
    output: (from) => written[from ?? 'both'],
    waitForLine,
    write: (text) => void child.stdin.write(text),
    signal,
    kill,
    pause: () => void signal('SIGSTOP'),
    resume: () => void signal('SIGCONT'),
    [Symbol.asyncDispose]: async () => {
      await kill();
    },
  };
}
