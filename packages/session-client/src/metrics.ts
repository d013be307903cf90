import { cauceErrorCodes } from '@cauce/protocol';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { OperationEvent } from './calls.ts';

export interface SessionMetrics {
  /** For the session client's option of the same name; one may serve several clients. */
  readonly observe: (event: OperationEvent) => void;
}

/** Around the targets: typically below 10 ms, the 99th percentile below 50 ms, given up at 2 s. */
const bucketsSeconds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/**
 * Registers, on a registry of prom-client:
 *
 * - `cauce_save_duration_seconds{outcome}`: saves and clears
 * - `cauce_load_duration_seconds{outcome}`: loads, a batch counting once
 * - `cauce_save_errors_total{code}`: saves and clears that failed
 *
 * `outcome` is `ok` or `failed`; `code` is one of Cauce's error codes, or `OTHER`.
 * Every series is there from the start. No label holds an id.
 * A registry takes them once; prom-client throws at the second time.
 */
export function createSessionMetrics(registry: Registry): SessionMetrics {
  const registers = [registry];
  const saveSeconds = new Histogram({
    name: 'cauce_save_duration_seconds',
    help: 'Time from saveUserState or clearUserState to its answer, in seconds.',
    labelNames: ['outcome'],
    buckets: bucketsSeconds,
    registers,
  });
  const loadSeconds = new Histogram({
    name: 'cauce_load_duration_seconds',
    help: 'Time from a load to its answer, in seconds, including a restore from PostgreSQL.',
    labelNames: ['outcome'],
    buckets: bucketsSeconds,
    registers,
  });
  const saveErrors = new Counter({
    name: 'cauce_save_errors_total',
    help: 'Saves and clears that failed, by error code.',
    labelNames: ['code'],
    registers,
  });
  // A series that begins with its first event hides it from rate() and increase().
  for (const outcome of ['ok', 'failed']) {
    saveSeconds.zero({ outcome });
    loadSeconds.zero({ outcome });
  }
  for (const code of [...cauceErrorCodes, 'OTHER']) saveErrors.inc({ code }, 0);
  return {
    observe(event) {
      const { operation, outcome, durationMs } = event;
      if (operation === 'save' || operation === 'clear') {
        saveSeconds.observe({ outcome }, durationMs / 1000);
        if (event.outcome === 'failed') saveErrors.inc({ code: event.code });
      } else if (operation === 'load' || operation === 'loadMany') {
        loadSeconds.observe({ outcome }, durationMs / 1000);
      }
    },
  };
}
