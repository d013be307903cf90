import { type Latencies, summarise } from './latency.ts';

/** A call is given its number. */
export type NumberedCall = (i: number) => Promise<unknown>;

export interface LoopResult extends Latencies {
  readonly count: number;
  readonly perSecond: number;
}

/** Keeps `concurrency` calls under way for `durationMs`: each worker sends the next when it has its answer. */
export async function runClosedLoop(
  call: () => Promise<unknown>,
  { concurrency, durationMs }: { readonly concurrency: number; readonly durationMs: number },
): Promise<LoopResult> {
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + durationMs;
  const worker = async () => {
    for (let sentMs = performance.now(); sentMs < endMs; ) {
      await call();
      const answeredMs = performance.now();
      latenciesMs.push(answeredMs - sentMs);
      sentMs = answeredMs;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - startedMs) / 1000;
  return { count: latenciesMs.length, perSecond: latenciesMs.length / seconds, ...summarise(latenciesMs) };
}

/** Calls `call(0)` to `call(count - 1)`, `concurrency` at a time. Returns how many a second that was. */
export async function runAll(
  call: NumberedCall,
  { count, concurrency }: { readonly count: number; readonly concurrency: number },
): Promise<number> {
  let next = 0;
  const startedMs = performance.now();
  const worker = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (count / (performance.now() - startedMs)) * 1000;
}
