import { backoffMs } from '../backoff.ts';
import { MAX_PARK_BACKOFF_MS, PARK_BACKOFF } from '../retry-pauses.ts';
import type { Version } from './version.ts';

/** Why a session waits for a person or its next attempt. Holds no state and no text of the server's errors. */
export interface ParkedRecord {
  /** The version PostgreSQL refused. */
  readonly version: Version;
  /**
   * SQLSTATE; `NOT_WRITTEN` when PostgreSQL reported no error and wrote nothing, or something else; or `LOCAL` for a
   * failure on this side of the connection.
   */
  readonly sqlState: string;
  /** How often it was tried, at least 1. */
  readonly attempts: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** Not announced again before this time. */
  readonly retryAtMs: number;
}

/** The record after one more refusal. Pure. */
export function nextParkedRecord(
  previous: ParkedRecord | undefined,
  refusal: { readonly version: Version; readonly sqlState: string },
  nowMs: number,
): ParkedRecord {
  const attempts = (previous?.attempts ?? 0) + 1;
  return {
    version: refusal.version,
    sqlState: refusal.sqlState,
    attempts,
    firstSeenMs: previous?.firstSeenMs ?? nowMs,
    lastSeenMs: nowMs,
    retryAtMs: nowMs + backoffMs(PARK_BACKOFF, attempts, 1),
  };
}

export function encodeParkedRecord(record: ParkedRecord): string {
  return JSON.stringify(record);
}

/**
 * Whether its time has not come. Twice the longest wait is allowed for, because the hosts' clocks differ; a later time
 * was written by one that was ahead, or is forged, and holds nothing back. Pure.
 */
export function isHeldBack({ retryAtMs }: ParkedRecord, nowMs: number): boolean {
  return retryAtMs > nowMs && retryAtMs <= nowMs + 2 * MAX_PARK_BACKOFF_MS;
}

/** Undefined for '' and for anything that is not a record. */
export function decodeParkedRecord(text: string): ParkedRecord | undefined {
  if (text === '') return undefined;
  try {
    const record = JSON.parse(text) as Partial<Record<keyof ParkedRecord, unknown>> | null;
    return isRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(record: Partial<Record<keyof ParkedRecord, unknown>> | null): record is ParkedRecord {
  if (typeof record !== 'object' || record === null) return false;
  const { version, sqlState, attempts, firstSeenMs, lastSeenMs, retryAtMs } = record;
  return (
    typeof version === 'string' &&
    /^\d{1,20}$/.test(version) &&
    typeof sqlState === 'string' &&
    /^\w{1,64}$/.test(sqlState) &&
    Number.isSafeInteger(attempts) &&
    (attempts as number) > 0 &&
    [firstSeenMs, lastSeenMs, retryAtMs].every(Number.isFinite)
  );
}
