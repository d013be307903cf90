import { DEFAULT_TENANT_ID, decodeId, type SessionRef } from '@cauce/protocol';
import { InvalidArgumentError } from 'commander';

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `30s`, `5m`, `1h` → ms. A bare number has no unit and is refused. */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) {
    throw new InvalidArgumentError('Give a whole number with a unit: 500ms, 30s, 5m or 1h.');
  }
  return Number(amount) * unitMs[unit as keyof typeof unitMs];
}

/** `2h` ago, or a point in time → ms since 1970, once it is known what time it is. */
export function parseMoment(text: string): (nowMs: number) => number {
  if (/^\d+(ms|s|m|h)$/.test(text)) {
    const agoMs = parseDuration(text);
    return (nowMs) => nowMs - agoMs;
  }
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!(atMs >= 0))
    throw new InvalidArgumentError('Give how long ago (30m, 2h) or a time (2026-01-31T18:00Z).');
  return () => atMs;
}

/** A whole number from 0. */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Give a whole number from 0.');
  return value;
}

/** Seconds between two readings. */
export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new InvalidArgumentError('Give 0.1 to 3600 seconds.');
  return seconds;
}

/** `tenant:user` as the lists show it (percent-encoded), or a bare user of the default tenant. */
export function parseSession(text: string): SessionRef {
  const parts = text.split(':');
  const [tenant, user] = parts.length === 1 ? [DEFAULT_TENANT_ID, parts[0]] : parts;
  const tenantId = decodeId(tenant ?? '', 'tenant id');
  const userId = decodeId(user ?? '', 'user id');
  if (parts.length > 2 || tenantId === undefined || userId === undefined) {
    throw new InvalidArgumentError(
      'Write the session as `cauce parked list` shows it: tenant:user, percent-encoded.',
    );
  }
  return { tenantId, userId };
}
