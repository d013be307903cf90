/** What PostgreSQL says who may save the sessions of a partition; in the two middle ones nobody may. */
export const writerModes = ['direct', 'to_redis', 'redis', 'to_direct'] as const;
export type WriterMode = (typeof writerModes)[number];

/**
 * What Redis knows of it. `sealed`: `to_direct`, and everything in the partition is in PostgreSQL. `void`: Redis may have
 * lost a change of the mode; nobody saves until it is installed again.
 */
export const storedModes = [...writerModes, 'sealed', 'void'] as const;

/** Those in which Redis takes no save. */
export const closedModes = ['direct', 'to_redis', 'to_direct', 'sealed', 'void'] as const;
export type ClosedMode = (typeof closedModes)[number];

/** Number of a writer mode, as decimal text. Each change of the mode raises it. */
export type Term = string;

/** The writer mode of a partition, as its `meta` has it in one field. */
export interface StoredMode {
  readonly mode: (typeof storedModes)[number];
  readonly term: Term;
  /** The term at which the present Redis period began; '0': none ever did. */
  readonly period: Term;
  /** The epoch with which that period began, as Redis knows it. */
  readonly periodEpoch: string;
}

/** The period while no writer mode is stored. */
export const NO_PERIOD: Term = '0';

/** Whether it is a whole number from 0 to 999,999,999,999,999: Lua counts with it. */
export function isTerm(text: string): boolean {
  return /^\d{1,15}$/.test(text);
}

// As readMode of mode.lua.
const FORM = /^([a-z_]+) (\d{1,15}) (\d{1,15}) (\d{1,16})$/;

/** Undefined if the text is of another form. Pure. */
export function parseMode(text: string): StoredMode | undefined {
  const [, word, term = '', period = '', periodEpoch = ''] = FORM.exec(text) ?? [];
  const mode = storedModes.find((one) => one === word);
  return mode && { mode, term, period, periodEpoch };
}

/** Pure. */
export function formatMode({ mode, term, period, periodEpoch }: StoredMode): string {
  return [mode, term, period, periodEpoch].join(' ');
}
