/**
 * Version of a session: microseconds of a hybrid logical clock, as decimal text. It only grows, across
 * partitions' restarts and clock steps too. Kept as text because a float's formatting is not exact; compare with
 * {@link compareVersions}.
 */
export type Version = string;

/** "No version": what `ifVersion` compares with when the session does not exist. */
export const ABSENT_VERSION: Version = '0';

/** "Any version": the condition that what is there is surely what was saved last, and knows its last operations. */
export const ANY_VERSION = '*';

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
 * What this release writes. Raised when keys, scripts or events change so that another release could misread them.
 *
 * 1: a session is a hash of eight fields.
 * 2: a hash of state and header; the version floor is in `meta`.
 */
export const PROTOCOL_VERSION = 2;

/** The lowest protocol this release reads. */
export const LOWEST_READABLE_PROTOCOL = 2;

/**
 * What to do about data of a protocol this release does not read; undefined when it reads it. Pure.
 *
 * @param found as `meta` has it; '' = it does not say
 */
export function protocolProblem(found: {
  readonly protocol: string;
  readonly minProtocol: string;
}): string | undefined {
  const protocol = Number(found.protocol);
  const minProtocol = found.minProtocol === '' ? protocol : Number(found.minProtocol);
  if (!(protocol >= LOWEST_READABLE_PROTOCOL)) {
    return (
      `This release reads protocol ${LOWEST_READABLE_PROTOCOL} and above: drain Redis with the release that wrote it ` +
      '(cauce drain), then start this one with another SESSION_KEY_PREFIX, or after removing the old keys.'
    );
  }
  if (!(minProtocol <= PROTOCOL_VERSION)) {
    return `It takes a release that reads protocol ${found.minProtocol}: upgrade this process.`;
  }
  return undefined;
}
