/**
 * Nothing outlives the process that started it, however that process ends.
 *
 * The guard is a small shell in a session of its own. It holds the reading end of a pipe from us and
 * is told which processes run. When the pipe closes (we finished, crashed, or were SIGKILLed: the
 * kernel closes it in every case) it ends those processes and removes the folder. Cleaning up at the
 * end of a normal `stop()` takes the same path, so the path is exercised all the time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { ServerError } from './server-error.ts';

/** Programs the guard and the servers need; nothing of the caller's environment leaks into them. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface GuardOptions {
  /** The signal that ends a guarded process decently; SIGKILL follows after 5 s. */
  readonly endSignal: 'TERM' | 'QUIT' | 'KILL';
  /** Removed at the end. Left out: only processes are ended. */
  readonly folder?: string;
  /**
   * A PostgreSQL lock file. If it still exists at the end, the server did not end by itself and the
   * System V shared memory segment named in it is removed too.
   */
  readonly postmasterPidFile?: string;
}

export interface ProcessGuard {
  /** Replaces the list of processes to end. Process ids get reused: say so when one has ended. */
  watch(pids: readonly number[]): void;
  /** Ends what is still watched, removes the folder, and returns when that is done. */
  finish(): Promise<void>;
}

const GUARD_SCRIPT = `
end_signal=$1 folder=$2 lock_file=$3 pids=
while IFS= read -r line; do pids=$line; done
any_running() { for p in $pids; do kill -0 "$p" 2>/dev/null && return 0; done; return 1; }
signal_all() { for p in $pids; do kill -s "$1" "$p" 2>/dev/null; done; }
if any_running; then
  signal_all "$end_signal"
  signal_all CONT
  tries=0
  while any_running && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
  signal_all KILL
fi
if [ -n "$lock_file" ] && [ -f "$lock_file" ]; then
  set -- $(sed -n 7p "$lock_file")
  [ -n "$2" ] && ipcrm -m "$2" 2>/dev/null
fi
tries=0
while [ -n "$folder" ] && [ -e "$folder" ] && [ $tries -lt 100 ]; do
  rm -rf -- "$folder" 2>/dev/null || sleep 0.05
  tries=$((tries + 1))
done
`;

/** Starts a guard. It neither keeps this process alive nor writes anything. */
export function startGuard(options: GuardOptions): ProcessGuard {
  const { endSignal, folder = '', postmasterPidFile = '' } = options;
  const shell = spawn(
    '/bin/sh',
    ['-c', GUARD_SCRIPT, 'cauce-guard', endSignal, folder, postmasterPidFile],
    // A session of its own: Ctrl-C in a terminal reaches every process of the foreground group.
    { cwd: '/', detached: true, env: { PATH: SYSTEM_PATH }, stdio: ['pipe', 'ignore', 'ignore'] },
  );
  const pipe = shell.stdin as Socket;
  shell.on('error', warn);
  pipe.on('error', warn);
  shell.unref();
  pipe.unref();
  let finished: Promise<void> | undefined;
  return {
    watch: (pids) => {
      if (!finished) pipe.write(`${pids.join(' ')}\n`);
    },
    finish: () => (finished ??= finish(shell, pipe, folder)),
  };
}

async function finish(shell: ChildProcess, pipe: Socket, folder: string): Promise<void> {
  if (shell.exitCode === null && shell.signalCode === null) {
    shell.ref();
    const gone = once(shell, 'exit');
    pipe.end();
    await gone;
  }
  if (folder !== '' && existsSync(folder)) {
    throw new ServerError('STOP_FAILED', `The folder ${folder} could not be removed. Remove it by hand.`);
  }
}

function warn(error: Error): void {
  process.emitWarning(
    `The guard of a private server is gone (${error.message}). If this process is killed, ` +
      'the server will be left running.',
  );
}
