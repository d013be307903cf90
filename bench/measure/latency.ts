/** So many above the quantile, or it says nothing. */
const LEAST_ABOVE = 1;

export interface Latencies {
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly p999Ms: number | undefined;
}

/** p50, p99 and p99.9 in ms; undefined where there are too few samples for it. */
export function summarise(latenciesMs: readonly number[]): Latencies {
  const sorted = Float64Array.from(latenciesMs).sort();
  return { p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99), p999Ms: quantile(sorted, 0.999) };
}

function quantile(sorted: Float64Array, q: number): number | undefined {
  // 1e-9: 1,000 × (1 − 0.999) is a little less than 1.
  if (sorted.length * (1 - q) + 1e-9 < LEAST_ABOVE) return undefined;
  return sorted[Math.ceil(sorted.length * q) - 1];
}
