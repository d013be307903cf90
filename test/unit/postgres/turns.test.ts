import { expect, it } from 'vitest';
import { createTurns } from '../../../packages/postgres/src/turns.ts';

async function hasCome(turn: { came: Promise<void> }): Promise<boolean> {
  return Promise.race([turn.came.then(() => true), new Promise<false>((r) => setImmediate(r, false))]);
}

it('never more than max work at the same time, and they come in order', async () => {
  const turns = createTurns(2);
  const [a, b, c, d] = [turns.take(), turns.take(), turns.take(), turns.take()];
  expect(await Promise.all([a, b, c, d].map(hasCome))).toEqual([true, true, false, false]);
  b.leave();
  expect(await Promise.all([c, d].map(hasCome))).toEqual([true, false]);
});

it('who gave up is passed over, and giving up during the turn frees no place', async () => {
  const turns = createTurns(1);
  const [a, b, c] = [turns.take(), turns.take(), turns.take()];
  a.giveUp();
  b.giveUp();
  expect(await Promise.all([b, c].map(hasCome))).toEqual([false, false]);
  a.leave();
  expect(await Promise.all([b, c].map(hasCome))).toEqual([false, true]);
});
