import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  CircuitBreaker,
  type CircuitState,
} from '../../../packages/sync-consumer/src/postgres/circuit-breaker.ts';
import { failureOf } from '../postgres/failures.ts';
import { heldBytes } from './held-bytes.ts';

const down = failureOf('57P01');
const now = (): number => performance.now();
const never = new AbortController().signal;
const setImmediateReal = setImmediate;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A circuit whose waits are exactly 200, 400, … 10,000 ms. */
function createCircuit(onChange: (state: CircuitState) => void = () => {}): CircuitBreaker {
  return new CircuitBreaker({ now }, { random: () => 1, onChange });
}

/** Says which of the callers have come through. */
function callers(
  circuit: CircuitBreaker,
  count: number,
  signal = never,
): { through: number[]; failed: unknown[] } {
  const seen = { through: [] as number[], failed: [] as unknown[] };
  for (let i = 0; i < count; i++) {
    circuit.enter(signal).then(
      () => seen.through.push(i),
      (error) => seen.failed.push(error),
    );
  }
  return seen;
}

test('while PostgreSQL is up everybody enters at once, also with an aborted signal', async () => {
  const circuit = createCircuit();
  const seen = callers(circuit, 3, AbortSignal.abort());
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.through).toEqual([0, 1, 2]);
  await circuit.whenUp(never);
  expect(circuit.isUp).toBe(true);
});

test('after a failure all wait; then one at a time tries, and all enter when it succeeds', async () => {
  const circuit = createCircuit();
  circuit.failed(down);
  const seen = callers(circuit, 5);
  await vi.advanceTimersByTimeAsync(199);
  expect(seen.through).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(seen.through).toHaveLength(1);
  expect(circuit.state.kind).toBe('probing');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(seen.through).toHaveLength(1);
  circuit.succeeded();
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.through).toHaveLength(5);
  expect(circuit.state).toEqual({ kind: 'up' });
});

test('each failed try doubles the wait up to the longest, and the jitter takes away at most half', async () => {
  const circuit = createCircuit();
  const jittered = new CircuitBreaker({ now }, { random: () => 0 });
  const waits: number[][] = [[], []];
  for (const [i, one] of [circuit, jittered].entries()) {
    one.failed(down);
    for (let attempt = 0; attempt < 9; attempt++) {
      const startedAtMs = Date.now();
      const entered = one.enter(never);
      await vi.advanceTimersToNextTimerAsync();
      await entered;
      waits[i]?.push(Date.now() - startedAtMs);
      one.failed(down);
    }
  }
  const full = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
  expect(waits).toEqual([full, full.map((waitMs) => waitMs / 2)]);
});

test('several batches that fail at once count as one failure', () => {
  const circuit = createCircuit();
  circuit.failed(down);
  const { state } = circuit;
  vi.advanceTimersByTime(100);
  circuit.failed(failureOf('53300'));
  expect(circuit.state).toBe(state);
  expect(state).toMatchObject({ kind: 'away', attempts: 1, failure: down });
});

test('whenUp leaves the trying to those that have something to write', async () => {
  const circuit = createCircuit();
  circuit.failed(down);
  let isThrough = false;
  const up = circuit.whenUp(never).then(() => {
    isThrough = true;
  });
  const seen = callers(circuit, 1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect({ isThrough, tries: seen.through }).toEqual({ isThrough: false, tries: [0] });
  circuit.failed(down);
  callers(circuit, 1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(isThrough).toBe(false);
  circuit.succeeded();
  await up;
});

test('when all that had something to write were aborted, whenUp does not wait for ever', async () => {
  const circuit = createCircuit();
  circuit.failed(down);
  const aborting = new AbortController();
  const seen = callers(circuit, 2, aborting.signal);
  aborting.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.failed).toHaveLength(2);

  let isThrough = false;
  const up = circuit.whenUp(never).then(() => {
    isThrough = true;
  });
  await vi.advanceTimersByTimeAsync(199);
  expect(isThrough).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await up;
  // Whoever comes through here is the one to try.
  expect(circuit.state.kind).toBe('away');
  await circuit.enter(never);
  expect(circuit.state.kind).toBe('probing');
});

test('waiting rejects as soon as the signal is aborted, before it begins and while it lasts', async () => {
  const circuit = createCircuit();
  circuit.failed(down);
  const stopping = new AbortController();
  const waits = [
    circuit.enter(stopping.signal),
    circuit.whenUp(stopping.signal),
    circuit.through(stopping.signal, fail),
  ];
  const results = Promise.allSettled(waits);
  await vi.advanceTimersByTimeAsync(50);
  stopping.abort(new Error('stop'));
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await expect(circuit.enter(stopping.signal)).rejects.toThrow('stop');
  await expect(circuit.whenUp(stopping.signal)).rejects.toThrow('stop');
  expect(circuit.state.kind).toBe('away');
  function fail(): Promise<void> {
    throw new Error('not to be called');
  }
});

test('through repeats a statement until it is answered', async () => {
  const circuit = createCircuit();
  let calls = 0;
  const answer = circuit.through(never, async () => {
    calls++;
    if (calls < 4) throw Object.assign(new Error('gone'), { code: '57P01' });
    return 'answer';
  });
  await vi.advanceTimersByTimeAsync(200 + 400 + 800);
  expect(await answer).toBe('answer');
  expect({ calls, isUp: circuit.isUp }).toEqual({ calls: 4, isUp: true });
});

test('tells of going away, of each new kind of failure, and of the return; not of every attempt', async () => {
  const told: string[] = [];
  const circuit = createCircuit((state) =>
    told.push(state.kind === 'up' ? 'up' : `${state.kind} ${state.failure.code}`),
  );
  for (const code of ['57P01', '57P01', 'ECONNREFUSED', 'ECONNREFUSED', '57P03']) {
    circuit.failed(failureOf(code));
    const entered = circuit.enter(never);
    await vi.advanceTimersByTimeAsync(10_000);
    await entered;
  }
  circuit.succeeded();
  circuit.succeeded();
  expect(told).toEqual(['away 57P01', 'away ECONNREFUSED', 'away 57P03', 'up']);
});

test('1,000 waits leave no timer and no listener behind, and Node sees no leak', async () => {
  const circuit = createCircuit();
  const { signal } = new AbortController();
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  circuit.failed(down);
  const many = Array.from({ length: 500 }, () => [circuit.enter(signal), circuit.whenUp(signal)]).flat();
  for (let attempt = 0; attempt < 5; attempt++) {
    await vi.advanceTimersByTimeAsync(10_000);
    circuit.failed(down);
  }
  circuit.succeeded();
  await Promise.all(many);
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  await new Promise((resolve) => setImmediateReal(resolve));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('waits that are given up while PostgreSQL stays away take no memory with them', async () => {
  vi.useRealTimers();
  const circuit = new CircuitBreaker({ now }, { backoff: { firstMs: 60_000, maxMs: 60_000, jitter: 0.5 } });
  circuit.failed(down);
  const giveUp = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const one = new AbortController();
      const wait = circuit.enter(one.signal);
      one.abort();
      await wait.catch(() => {});
    }
  };
  await giveUp(1000);
  const before = await heldBytes();
  await giveUp(20_000);
  expect((await heldBytes()) - before).toBeLessThan(3_000_000);
});

test('a clock of the host that steps back an hour does not make a pause longer', async () => {
  const circuit = createCircuit();
  circuit.failed(down);
  const seen = callers(circuit, 1);
  const reader = circuit.whenUp(never).then(() => 'read');
  vi.setSystemTime(Date.now() - 3_600_000);
  await vi.advanceTimersByTimeAsync(200);
  expect(seen.through).toEqual([0]);
  circuit.succeeded();
  expect(await reader).toBe('read');
});
