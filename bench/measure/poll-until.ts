import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 50;

/** @throws Error when `isDone` is not true within `timeoutMs` */
export async function pollUntil(isDone: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isDone())) {
    if (performance.now() > endMs) throw new Error(`not done after ${timeoutMs} ms`);
    await delay(PAUSE_MS);
  }
}
