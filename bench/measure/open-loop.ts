import { setTimeout as delay } from 'node:timers/promises';
import type { LoopResult, NumberedCall } from './closed-loop.ts';
import { summarise } from './latency.ts';

export interface OpenLoopOptions {
  readonly perSecond: number;
  readonly durationMs: number;
  /** Ends it before. */
  readonly until?: Promise<unknown>;
}

/**
 * Sends `perSecond` calls a second whether or not the earlier ones were answered. A latency counts from when the call
 * was due, so that a stall shows in every call it held up.
 */
export async function runOpenLoop(
  call: NumberedCall,
  { perSecond, durationMs, until }: OpenLoopOptions,
): Promise<LoopResult> {
  const latenciesMs: number[] = [];
  const underWay: Promise<unknown>[] = [];
  const startedMs = performance.now();
  let sent = 0;
  let isOver = false;
  void until?.then(() => {
    isOver = true;
  });
  while (!isOver && performance.now() - startedMs < durationMs) {
    const due = ((performance.now() - startedMs) * perSecond) / 1000;
    for (; sent < due; sent++) {
      const dueAtMs = startedMs + (sent * 1000) / perSecond;
      underWay.push(call(sent).then(() => latenciesMs.push(performance.now() - dueAtMs)));
    }
    await delay(1);
  }
  await Promise.all(underWay);
  const seconds = (performance.now() - startedMs) / 1000;
  return { count: sent, perSecond: sent / seconds, ...summarise(latenciesMs) };
}
