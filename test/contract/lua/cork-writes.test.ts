import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { createWorld, PARTITION } from './world.ts';

it('scripts called in one turn of the event loop leave in one write, at once', async () => {
  const world = createWorld();
  const session = world.session();
  await world.save(session);
  const { stream } = world.redis as Redis;
  const calls = [world.trySave(session), world.trySave(session), world.scripts.sweep(PARTITION, [])];
  expect(stream.writableCorked).toBe(1);
  expect(stream.writableLength).toBeGreaterThan(0);

  await new Promise(setImmediate);
  expect([stream.writableCorked, stream.writableLength]).toEqual([0, 0]);
  expect((await Promise.all(calls)).map((reply) => ('outcome' in reply ? reply.outcome : reply))).toEqual([
    'saved',
    'saved',
    [],
  ]);
});

it('a call after the connection was lost is corked on the new one', async () => {
  const world = createWorld();
  const session = world.session();
  await world.save(session);
  const { stream } = world.redis as Redis;
  const lost = world.trySave(session);
  stream.destroy();
  await expect(lost).rejects.toMatchObject({ failure: { retryable: true } });
  await new Promise((resolve) => world.redis.once('ready', resolve));
  const call = world.trySave(session);
  expect((world.redis as Redis).stream.writableCorked).toBe(1);
  expect((await call).outcome).toBe('saved');
});

it('a burst leaves in several writes, so that Redis begins before it is complete', async () => {
  const world = createWorld();
  const session = world.session();
  await world.save(session);
  const { stream } = world.redis as Redis;
  const bytesHeld: number[] = [];
  const calls = Array.from({ length: 20 }, () => {
    const call = world.trySave(session);
    bytesHeld.push(stream.writableLength);
    return call;
  });
  const [first = 0] = bytesHeld;
  expect(bytesHeld.filter((bytes) => bytes <= first * 1.2)).toHaveLength(3);
  await Promise.all(calls);
});
