import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly isZombie: boolean;
}

/** True while the process exists and has not ended. A zombie has ended: it only waits to be reaped. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !rowOf(pid)?.isZombie;
}

/** The direct children of a process, in no particular order. */
export function childrenOf(pid: number): number[] {
  return listProcesses()
    .filter((row) => row.parentPid === pid && !row.isZombie)
    .map((row) => row.pid);
}

/** Sends a signal; false if the process is already gone. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function rowOf(pid: number): ProcessRow | undefined {
  if (process.platform === 'linux') return readStat(pid);
  return listProcesses().find((row) => row.pid === pid);
}

function listProcesses(): ProcessRow[] {
  // Slim images have no `ps`, macOS has no /proc.
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => readStat(Number(name)) ?? []);
  }
  return execFileSync('ps', ['-axo', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [pid, parentPid, state] = line.trim().split(/\s+/);
      if (!pid || !parentPid || !state) return [];
      return { pid: Number(pid), parentPid: Number(parentPid), isZombie: state.startsWith('Z') };
    });
}

function readStat(pid: number): ProcessRow | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // it ended between the listing and the reading
  }
  // `pid (command) state ppid …`, and the command may contain spaces and parentheses.
  const [state, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { pid, parentPid: Number(parentPid), isZombie: state === 'Z' || state === 'X' };
}
