import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Monotonic; one clock for all processes of a machine, µs. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Names the clock of {@link nowUs}: another one after each start of the machine, where the system says so. */
export function nameClock(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return hostname();
  }
}
