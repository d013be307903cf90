import { readFileSync } from 'node:fs';

/** True while the process has not ended. A zombie has ended: whoever adopted it just has not looked yet. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
