/**
 * Version of a session: microseconds of a hybrid logical clock, as decimal text. It only grows, across
 * partitions' restarts and clock steps too. Kept as text because 2^53 µs is the year 2255 but a float's
 * formatting is not exact; compare with {@link compareVersions}.
 */
export type Version = string;

/** "No version": what `ifVersion` compares with when the session does not exist. */
export const ABSENT_VERSION: Version = '0';

/** Negative, zero or positive, as a sort function wants it. */
export function compareVersions(a: Version, b: Version): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/**
 * Raised when keys, scripts or events change so that another release could misread them.
 *
 * 1: first release.
 */
export const PROTOCOL_VERSION = 1;
