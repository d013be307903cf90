import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

export interface LatencySummary {
  readonly count: number;
  readonly averageMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface SaveLatency {
  record(durationMs: number): void;
  /** Begins another slot; the oldest no longer counts as recent. */
  roll(): void;
  /** Of the last `slots` slots. */
  recent(): LatencySummary;
  total(): LatencySummary;
}

/** Measures to 1 µs and three digits. */
export function createSaveLatency(slots: number): SaveLatency {
  const all = createHistogram();
  let window = [createHistogram()];
  return {
    record(durationMs) {
      const micros = Math.max(1, Math.round(durationMs * 1000));
      all.record(micros);
      window.at(-1)?.record(micros);
    },
    roll() {
      window = [...window, createHistogram()].slice(-slots);
    },
    recent() {
      const merged = createHistogram();
      // An empty histogram would bring its own idea of the smallest value with it.
      for (const slot of window) if (slot.count > 0) merged.add(slot);
      return summarize(merged);
    },
    total: () => summarize(all),
  };
}

function summarize(histogram: RecordableHistogram): LatencySummary {
  if (histogram.count === 0) return { count: 0, averageMs: 0, p99Ms: 0, maxMs: 0 };
  return {
    count: histogram.count,
    averageMs: histogram.mean / 1000,
    p99Ms: histogram.percentile(99) / 1000,
    maxMs: histogram.max / 1000,
  };
}
