// Which sessions the bots use. Some live for the whole run; most come and go, so that sessions are also created,
// expire and are restored while everything fails.

import type { SessionRef } from '@cauce/protocol';
import { nowUs } from './history.ts';
import { between, type Random } from './random.ts';

export const TENANT = 'acme';
export const PARTITIONS = 4;
export const KEY_PREFIX = 'crash';
export const SCHEMA = 'crash';

const COUNTERS = 8;
const LIVELY = 56;
const CROWD = 400;
const NEW_PER_SECOND = 1.5;

export function refOf(key: string): SessionRef {
  return { tenantId: TENANT, userId: key };
}

/** A session that is only ever updated: its counter must add up. */
export function isCounter(key: string): boolean {
  return key.startsWith('counter');
}

/** Every session used so far. */
export function allSessions(startedUs: number): string[] {
  return [...counters(), ...users(0, firstLively(startedUs) + LIVELY), ...crowdSessions()];
}

/** Sessions that are only saved all at once. */
export function crowdSessions(): string[] {
  return Array.from({ length: CROWD }, (_, i) => `crowd-${i}`);
}

/** One for the next call; some are much more popular than others. */
export function pickSession(random: Random, startedUs: number): string {
  if (random() < 0.12) return `counter-${between(random, 0, COUNTERS - 1)}`;
  return `user-${firstLively(startedUs) + Math.floor(random() ** 2 * LIVELY)}`;
}

/** Those in use now. */
export function livelySessions(startedUs: number): string[] {
  return [...counters(), ...users(firstLively(startedUs), LIVELY)];
}

function counters(): string[] {
  return Array.from({ length: COUNTERS }, (_, i) => `counter-${i}`);
}

function users(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `user-${first + i}`);
}

function firstLively(startedUs: number): number {
  return Math.floor(((nowUs() - startedUs) / 1e6) * NEW_PER_SECOND);
}
