// Pauses at the boundaries between two steps, where a race hides. A harness without them was blind to a hard delete
// and to missing leases.
import { setTimeout as delay } from 'node:timers/promises';

/** With probability `chance` waits up to `maxMs`; other work of the process goes on. */
export async function maybePause(chance: number, maxMs: number): Promise<void> {
  if (Math.random() < chance) await delay(Math.random() * maxMs);
}

/**
 * With probability `chance` blocks the whole process for `minMs` to `maxMs`: no heartbeat, no timer. When it goes on
 * it is a zombie whose events somebody else has taken over.
 */
export function maybeStall(chance: number, minMs: number, maxMs: number): void {
  if (Math.random() >= chance) return;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(cell, 0, 0, minMs + Math.random() * (maxMs - minMs));
}
