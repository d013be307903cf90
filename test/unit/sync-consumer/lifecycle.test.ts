import { once } from 'node:events';
import { expect, test } from 'vitest';
import { Lifecycle } from '../../../packages/sync-consumer/src/lifecycle.ts';

const nothing = async (): Promise<void> => {};
const HOUR_MS = 3_600_000;

/** Work that lasts until its signal is aborted. */
function untilAborted(lifecycle: Lifecycle): () => Promise<void> {
  return async () => {
    await once(lifecycle.signal, 'abort');
  };
}

test('a life goes from created to stopped, and leaves once after the work has ended', async () => {
  const lifecycle = new Lifecycle();
  const phases: string[] = [lifecycle.phase];
  lifecycle.start(async () => {
    phases.push(lifecycle.phase);
    lifecycle.opened();
    phases.push(lifecycle.phase);
    await once(lifecycle.signal, 'abort');
    phases.push('work ended');
  });
  await lifecycle.stop(HOUR_MS, async () => void phases.push(lifecycle.phase));
  await lifecycle.stop(HOUR_MS, () => expect.unreachable());
  expect([...phases, lifecycle.phase]).toEqual([
    'created',
    'opening',
    'running',
    'work ended',
    'stopping',
    'stopped',
  ]);
  await lifecycle.finished;
});

test('what opens after the stop does not run', async () => {
  const lifecycle = new Lifecycle();
  lifecycle.start(async () => {
    await once(lifecycle.signal, 'abort');
    lifecycle.opened();
    expect(lifecycle.phase).toBe('stopping');
  });
  await lifecycle.stop(HOUR_MS, nothing);
  await lifecycle.finished;
});

test('work that does not end is left after the deadline', async () => {
  const lifecycle = new Lifecycle();
  lifecycle.start(() => new Promise(() => {}));
  await lifecycle.stop(1, nothing);
  expect(lifecycle.phase).toBe('stopped');
});

test('a failure ends the work, and finished rejects with the first one', async () => {
  const lifecycle = new Lifecycle();
  lifecycle.start(untilAborted(lifecycle));
  lifecycle.opened();
  lifecycle.fail(new Error('first'));
  lifecycle.fail(new Error('second'));
  await expect(lifecycle.finished).rejects.toThrow('first');
  expect({ phase: lifecycle.phase, isAborted: lifecycle.signal.aborted }).toEqual({
    phase: 'stopped',
    isAborted: true,
  });
});

test('a life starts once, and not after it was stopped', async () => {
  const lifecycle = new Lifecycle();
  let starts = 0;
  const work = async (): Promise<void> => {
    starts++;
    await once(lifecycle.signal, 'abort');
  };
  lifecycle.start(work);
  lifecycle.start(work);
  await lifecycle.stop(HOUR_MS, nothing);
  lifecycle.start(work);
  expect(starts).toBe(1);
});
