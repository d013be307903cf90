import { textsOrNullIn } from '../redis/replies.ts';
import { isVersion, type Version } from './version.ts';

/** The fields of a session's hash. This file and the scripts are the only ones that know their form. */
export const SESSION_HASH = {
  state: 's',
  header: 'm',
  /** Only while there is no session: `epoch:token` of the load that missed. */
  lease: 'l',
} as const;

/** What to ask HMGET for, in the order in which {@link sessionIn} reads it. */
export const SESSION_FIELDS = [SESSION_HASH.state, SESSION_HASH.header] as const;

/** Everything of a session but its state: what its header says. */
export interface SessionHeader {
  readonly version: Version;
  readonly isDirty: boolean;
  readonly isTombstone: boolean;
  /** Id of the event that announces it; '' when there is none. */
  readonly event: string;
  /** Epoch in which it was saved; '' when it came from a row. */
  readonly savedIn: string;
  /** Epoch in which it was restored or confirmed; '' when it was not. */
  readonly confirmedIn: string;
  /** Kept for an expiry time, ms; '' always. */
  readonly expiresAtMs: string;
  /** Its last four, newest first. */
  readonly operations: readonly Operation[];
}

/** A save, and the version it got. */
export interface Operation {
  readonly opId: string;
  readonly version: Version;
}

/** What a session's key holds. `state` is JSON text, '' for a tombstone. */
export type HashedSession =
  | ({ readonly kind: 'session'; readonly state: string } & SessionHeader)
  /** No session; there may be a lease. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable' };

// As readHeader of header.lua, and what follows: what one of them reads, the other does, too. A space as in `%S` of Lua; ids
// are bytes, so no other one counts.
const FORM = /^([1-9]\d*) ([01])([01]) ([^\t-\r ]*) ([^\t-\r ]*) ([^\t-\r ]*) ([^\t-\r ]*)([\s\S]*)$/;
const OPERATION = /^([^\t-\r =]+)=(\d+)$/;
// As operationsOf of operations.lua.
const OF_ROW = '[!-<>-~]{1,64}=[1-9]\\d{0,15}';
const OPERATIONS_OF_ROW = new RegExp(`^${OF_ROW}(?: ${OF_ROW}){0,3}$`);

/**
 * Undefined if the text is not a header, or has a version that cannot be counted. An operation of another form is left
 * out. Pure.
 */
export function parseHeader(text: string): SessionHeader | undefined {
  const [
    ,
    version,
    dirty,
    tombstone,
    event = '',
    savedIn = '',
    confirmedIn = '',
    expiresAtMs = '',
    tail = '',
  ] = FORM.exec(text) ?? [];
  if (!isVersion(version)) return undefined;
  const operations = tail
    .split(' ')
    .slice(1)
    .flatMap((text) => {
      const [, opId, savedAs] = OPERATION.exec(text) ?? [];
      return opId === undefined || savedAs === undefined ? [] : [{ opId, version: savedAs }];
    });
  const flags = { isDirty: dirty === '1', isTombstone: tombstone === '1' };
  return { version, ...flags, event, savedIn, confirmedIn, expiresAtMs, operations };
}

/** Pure. */
export function formatHeader(header: SessionHeader): string {
  const { version, isDirty, isTombstone, event, savedIn, confirmedIn, expiresAtMs, operations } = header;
  const flags = `${isDirty ? 1 : 0}${isTombstone ? 1 : 0}`;
  const parts = [version, flags, event, savedIn, confirmedIn, expiresAtMs];
  return [...parts, ...operations.map(formatOperation)].join(' ');
}

function formatOperation({ opId, version }: Operation): string {
  return `${opId}=${version}`;
}

/**
 * The last operations as a row has them: `opId=version opId=version …`, newest first. Undefined if there are none, or
 * the value has another form. Pure.
 */
export function rowOperations(value: unknown): string | undefined {
  return typeof value === 'string' && OPERATIONS_OF_ROW.test(value) ? value : undefined;
}

/** Pure. */
export function toRowOperations(operations: readonly Operation[]): string | undefined {
  return rowOperations(operations.map(formatOperation).join(' '));
}

/** What HMGET of {@link SESSION_FIELDS} answered. Pure. @throws RedisError `BADREPLY` */
export function sessionIn(call: string, reply: unknown): HashedSession {
  const [state = null, header = null] = textsOrNullIn(call, reply, SESSION_FIELDS.length);
  if (state === null && header === null) return { kind: 'absent' };
  const parsed = header === null ? undefined : parseHeader(header);
  return state === null || !parsed ? { kind: 'unreadable' } : { kind: 'session', state, ...parsed };
}
