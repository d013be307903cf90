/**
 * Version of a session: microseconds of a hybrid logical clock, as decimal text. It only grows, across
 * partitions' restarts and clock steps too. Kept as text because a float's formatting is not exact; compare with
 * {@link compareVersions}.
 */
export type Version = string;

/** "No version": what `ifVersion` compares with when the session does not exist. */
export const ABSENT_VERSION: Version = '0';

/**
 * The last version there is: 2^52 − 1 µs, a moment in the year 2112. Lua counts exactly up to 2^53; above it every
 * save would get the same version. A version that comes from elsewhere, a row for example, is refused above this.
 */
export const MAX_VERSION: Version = '4503599627370495';

/** Whether it is a whole number from 1 to {@link MAX_VERSION}, without leading zeros. */
export function isVersion(value: unknown): value is Version {
  return typeof value === 'string' && /^[1-9]\d*$/.test(value) && compareVersions(value, MAX_VERSION) <= 0;
}

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
