import type { SessionRef } from '@cauce/protocol';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import type { Pipeline } from './pipeline.ts';

/** The last acknowledged state, by user id; null = cleared. */
export type Acknowledged = Map<string, { readonly version: string; readonly state: unknown }>;

export function refOf(userId: string): SessionRef {
  return { tenantId: 'acme', userId };
}

/** Saves each user once and records what was acknowledged. */
export async function saveUsers(
  pipeline: Pipeline,
  userIds: readonly string[],
  state: unknown,
  acknowledged: Acknowledged = new Map(),
): Promise<Acknowledged> {
  await Promise.all(
    userIds.map(async (userId) => {
      acknowledged.set(userId, { version: await pipeline.save(refOf(userId), state), state });
    }),
  );
  return acknowledged;
}

export function userIds(count: number, prefix = 'u'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** Nothing dirty, nothing pending, and every acknowledged save is its row, exactly. */
export async function expectSynced(
  pipeline: Pipeline,
  acknowledged: Acknowledged,
  timeoutMs = 30_000,
): Promise<void> {
  await eventually(async () => {
    expect(await pipeline.countDirty()).toBe(0);
    expect(await pipeline.countEvents()).toBe(0);
  }, timeoutMs);
  expect(await storedRows(pipeline)).toEqual(acknowledged);
}

/** Every acknowledged save of these users is its row, exactly. Default: of all. */
export async function expectRows(
  pipeline: Pipeline,
  acknowledged: Acknowledged,
  of: Iterable<string> = acknowledged.keys(),
): Promise<void> {
  const stored = await storedRows(pipeline);
  for (const userId of of) expect(stored.get(userId), userId).toEqual(acknowledged.get(userId));
}

async function storedRows({ pool, table }: Pipeline): Promise<Acknowledged> {
  const { rows } = await pool.query<{ user_id: string; version: string; state: unknown }>(
    `SELECT user_id, version::text AS version, state FROM ${table}`,
  );
  return new Map(rows.map(({ user_id, version, state }) => [user_id, { version, state }]));
}
