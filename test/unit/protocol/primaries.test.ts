import { assessRedis, fullest } from '@cauce/protocol';
import { expect, it } from 'vitest';

const server = (usedBytes: number, maxBytes: number) =>
  assessRedis(`used_memory:${usedBytes}\r\nmaxmemory:${maxBytes}\r\n`);

it('the fullest server is the one closest to its own limit, not the one with the most in it', () => {
  const [small, large, unlimited] = [server(80, 100), server(500, 1000), server(9000, 0)];
  expect(fullest([unlimited, large, small])).toBe(small);
  expect(fullest([unlimited])).toBe(unlimited);
  expect(fullest([])).toBeUndefined();
});
