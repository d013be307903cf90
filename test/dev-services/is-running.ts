import { readFileSync } from 'node:fs';

/** True while the process has not ended. A zombie has ended: its new parent has not asked for it yet. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
