// Every call of every bot as JSON lines: one before it is sent, one when its outcome is known. Written at once, so
// that a killed bot leaves "sent, outcome unknown" behind.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** One clock for all processes of this machine, µs. */
export function nowUs() {
  return Number(process.hrtime.bigint() / 1000n);
}

/**
 * @param {string} file appended to by several processes at once
 * @param {string} proc this process; another name after each restart
 */
export function openHistory(file, proc) {
  const fd = openSync(file, 'a');
  let count = 0;
  const write = (line) => writeSync(fd, `${JSON.stringify({ t: nowUs(), proc, ...line })}\n`);
  return {
    /** A name for one call, also written into the state it saves. */
    nextName: () => `${proc}-${count++}`,
    call: (call) => write({ at: 'call', ...call }),
    /** What an update is about to save over what it read. */
    attempt: (call) => write({ at: 'attempt', ...call }),
    /** The same op id is sent again. */
    again: (call) => write({ at: 'again', ...call }),
    done: (call) => write({ at: 'done', ...call }),
    close: () => closeSync(fd),
  };
}

/**
 * @typedef {object} Call one call of a bot
 * @property {string} n
 * @property {string} proc
 * @property {'save' | 'clear' | 'update' | 'load'} op
 * @property {string} key
 * @property {number} startUs
 * @property {number} endUs Infinity: the bot did not live to see it
 * @property {'ok' | 'fail' | 'unknown'} outcome fail: told that it did not happen
 * @property {bigint | undefined} version of a write that was acknowledged, or of what a load found
 * @property {import('./session-state.mjs').Found | null | undefined} found by a load; null: no session
 * @property {{ base: string | null, counter: number }[]} attempts of an update
 * @property {boolean} isRepeated its op id was sent more than once
 * @property {string | undefined} replayOf the version the same op id was acknowledged with before
 */

/** @returns {Call[]} in the order in which they were sent */
export function readHistory(file) {
  const calls = new Map();
  for (const text of linesOf(file)) {
    const { t, at, ...line } = JSON.parse(text);
    const call = calls.get(line.n);
    if (at === 'call') calls.set(line.n, newCall(t, line));
    else if (at === 'attempt') call.attempts.push({ base: line.base, counter: line.counter });
    else if (at === 'again') call.isRepeated = true;
    else {
      const { outcome, found, replayOf } = line;
      const version = line.version === undefined ? undefined : BigInt(line.version);
      Object.assign(call, { endUs: t, outcome, version, found, replayOf });
    }
  }
  return [...calls.values()].sort((a, b) => a.startUs - b.startUs);
}

/** A history may be larger than the longest string. */
function* linesOf(file) {
  const fd = openSync(file, 'r');
  const chunk = Buffer.alloc(1 << 20);
  const decoder = new StringDecoder();
  let rest = '';
  try {
    for (let size = readSync(fd, chunk); size > 0; size = readSync(fd, chunk)) {
      const lines = (rest + decoder.write(chunk.subarray(0, size))).split('\n');
      rest = lines.pop();
      yield* lines;
    }
    if (rest !== '') yield rest;
  } finally {
    closeSync(fd);
  }
}

// Every field from the start: a million objects of one shape are small and fast.
function newCall(startUs, { n, proc, op, key }) {
  return {
    ...{ n, proc, op, key, startUs },
    endUs: Number.POSITIVE_INFINITY,
    outcome: 'unknown',
    version: undefined,
    found: undefined,
    replayOf: undefined,
    attempts: [],
    isRepeated: false,
  };
}
