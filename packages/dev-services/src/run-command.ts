import { spawn } from 'node:child_process';
import { ServerError } from './server-error.ts';
import type { SystemUser } from './unprivileged-user.ts';

export interface CommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly user?: SystemUser | undefined;
  /** Written to the command's standard input, which is then closed. */
  readonly input?: string;
  /** Called with the process id when the command starts, and with undefined when it has ended. */
  readonly onRunning?: (pid: number | undefined) => void;
  /** The command is killed after this long. Default 300,000 (five minutes: it may download). */
  readonly timeoutMs?: number;
}

/**
 * Runs a program to its end.
 *
 * @returns what it wrote on standard output and standard error.
 * @throws ServerError `COMMAND_FAILED` with the last lines of that, if it cannot start, exits with
 *   anything but 0, or takes too long.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const { env, cwd, user, input, onRunning, timeoutMs = 300_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...env },
      // Not in the terminal's group: Ctrl-C is ours to handle, not the program's.
      detached: true,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(cwd === undefined ? {} : { cwd }),
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    });
    if (child.pid !== undefined) onRunning?.(child.pid);
    let output = '';
    const collect = (text: string): void => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.stdin.on('error', () => {
      // It ended without reading its input: its exit status tells why.
    });
    child.stdin.end(input ?? '');
    const fail = (reason: string, cause?: Error): void => {
      const line = [command, ...args].join(' ');
      const tail = lastLines(output);
      const message = `${line}: ${reason}${tail === '' ? '' : `\n${tail}`}`;
      reject(new ServerError('COMMAND_FAILED', message, { cause }));
    };
    child.once('error', (error) => {
      onRunning?.(undefined);
      fail(error.message, error);
    });
    child.once('close', (code, signal) => {
      onRunning?.(undefined);
      if (code === 0) resolve(output);
      else fail(signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  });
}

/** The end of a log: what a person needs to see in an error. */
export function lastLines(text: string, count = 15): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
