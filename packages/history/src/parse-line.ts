import type { HistoryLine } from './history-line.ts';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isVersion: Check = (value) => typeof value === 'string' && /^\d{1,19}$/.test(value);
const isHash: Check = (value) => typeof value === 'string' && /^[\w-]{43}$/.test(value);
const isFound: Check = (value) => value === null || isHash(value);
const oneOf =
  (...allowed: unknown[]): Check =>
  (value) =>
    allowed.includes(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((item) => check(item));

const everyLine = { us: isCount, proc: isText };
const everyCall = { ...everyLine, n: isCount };
const single = {
  session: isText,
  state: optional(isHash),
  opId: optional(isText),
  ifVersion: optional(isVersion),
};

/** Undefined when the line is not one of a history. */
export function parseLine(text: string): HistoryLine | undefined {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof line !== 'object' || line === null) return undefined;
  const fields = line as Record<string, unknown>;
  const shape = shapeOf(fields);
  return shape && Object.entries(shape).every(([name, check]) => check(fields[name]))
    ? (line as HistoryLine)
    : undefined;
}

function shapeOf({ at, op }: Record<string, unknown>): Record<string, Check> | undefined {
  switch (at) {
    case 'open':
      return openShape;
    case 'call':
      return op === 'loadMany' ? sentManyShape : sentShape;
    case 'attempt':
      return attemptShape;
    case 'done':
      return doneShape;
    default:
      return undefined;
  }
}

const openShape = { ...everyLine, v: isCount, clock: isText, wallUs: isCount };
const sentShape = { ...everyCall, ...single, op: oneOf('save', 'clear', 'update', 'load') };
const sentManyShape = { ...everyCall, sessions: list(isText) };
// JSON drops what is undefined, except in a list.
const attemptShape = { ...everyCall, base: optional(isFound), state: optional(isHash) };
const doneShape = {
  ...everyCall,
  outcome: oneOf('ok', 'fail', 'unknown'),
  version: optional(isVersion),
  opId: optional(isText),
  durability: optional(oneOf('replica', 'postgres')),
  state: optional(isFound),
  states: optional(list(isFound)),
};
