import { createLogger } from '@cauce/sync-consumer';
import { expect, it } from 'vitest';
import { createProgressLog } from '../../../packages/sync-consumer/src/progress-log.ts';

function progress() {
  const lines: unknown[] = [];
  const clock = { nowMs: 0 };
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const written = createProgressLog({ logger: createLogger('info', destination), now: () => clock.nowMs });
  return { lines, clock, written };
}

it('says at once that the first sessions were written, and nothing before', () => {
  const { lines, written } = progress();
  written(0);
  expect(lines).toEqual([]);
  written(3);
  expect(lines).toEqual([expect.objectContaining({ written: 3 })]);
});

it('says it once a minute after that, with what was written since', () => {
  const { lines, clock, written } = progress();
  written(3);
  for (clock.nowMs = 1000; clock.nowMs < 61_000; clock.nowMs += 1000) written(2);
  expect(lines).toEqual([expect.objectContaining({ written: 3 }), expect.objectContaining({ written: 120 })]);
});

it('says nothing while nothing is written', () => {
  const { lines, clock, written } = progress();
  written(1);
  clock.nowMs = 3_600_000;
  written(0);
  expect(lines).toHaveLength(1);
});
