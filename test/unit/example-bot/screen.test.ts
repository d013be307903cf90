import { expect, it } from 'vitest';
import { createScreen } from '../../../packages/example-bot/src/screen.ts';
import type { PipelineView } from '../../../packages/example-bot/src/watch-pipeline.ts';

const view: PipelineView = {
  elapsedSeconds: 3,
  writesPerSecond: 600,
  recent: undefined,
  queuedSessions: 7,
  lastSyncAgeMs: 400,
  syncDurationMs: 120,
  failedSyncs: 0,
  consumer: 'consumer 926, running, and this part is long enough to be cut off at the edge',
};
const ESCAPE = '\u001b';
const UP_AND_CLEAR = `${ESCAPE}[1A${ESCAPE}[2K`;

/** A terminal of a demo: what was written to it, and how wide it is. */
function screenOn(columns: number, term = 'xterm') {
  const terminal = {
    isTTY: true,
    columns,
    written: '',
    write(text: string) {
      terminal.written += text;
    },
  };
  const stream = terminal as unknown as NodeJS.WriteStream;
  return { terminal, screen: createScreen(stream, { env: { TERM: term }, lineEveryMs: 1 }) };
}

it('draws the board in place where it fits, and cuts off what is too long', () => {
  const { terminal, screen } = screenOn(80);
  screen.show(view);
  screen.show(view);
  const [, second = ''] = terminal.written.split('\n\n');
  expect(terminal.written).toContain(UP_AND_CLEAR);
  expect(second).not.toBe('');
  for (const line of terminal.written.replaceAll(UP_AND_CLEAR, '').split('\n')) {
    expect(line.length).toBeLessThan(80);
  }
});

it.each([
  ['a dumb terminal', 80, 'dumb'],
  ['a terminal that is too narrow', 50, 'xterm'],
  ['a terminal that is hardly there', 10, 'xterm'],
])('writes whole lines to %s, and moves no cursor', (_, columns, term) => {
  const { terminal, screen } = screenOn(columns, term);
  screen.show(view);
  screen.say('hello');
  expect(terminal.written).not.toContain(ESCAPE);
  expect(terminal.written).toMatch(/queue 7 .*\nhello\n$/);
});

it('leaves a board alone that a narrower terminal has wrapped, and goes on below it', () => {
  const { terminal, screen } = screenOn(100);
  screen.show(view);
  terminal.columns = 40;
  terminal.written = '';
  screen.say('hello');
  screen.show(view);
  expect(terminal.written).not.toContain(ESCAPE);
  expect(terminal.written).toMatch(/^hello\n.*queue 7/);
});
