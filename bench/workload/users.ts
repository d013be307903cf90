import type { SessionRef } from '@cauce/protocol';
import { createRandom } from './random.ts';

/** As web traffic: the most active user sends twice as much as the second, roughly. */
const ZIPF_EXPONENT = 0.99;
const SEED = 7;

export type Distribution = 'uniform' | 'zipf' | 'new';
/** Gives a user's number. */
export type UserDraw = () => number;

/**
 * Who speaks next, as a function that gives a user's number.
 *
 * @param distribution `new`: nobody twice
 */
export function createUserDraw(distribution: Distribution, users: number): UserDraw {
  const random = createRandom(SEED);
  if (distribution === 'uniform') return () => Math.floor(random() * users);
  if (distribution === 'new') {
    let next = users;
    return () => next++;
  }
  const upTo = new Float64Array(users);
  let total = 0;
  for (let rank = 0; rank < users; rank++) {
    total += 1 / (rank + 1) ** ZIPF_EXPONENT;
    upTo[rank] = total;
  }
  return () => firstAtLeast(upTo, random() * total);
}

function firstAtLeast(sorted: Float64Array, wanted: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const TENANTS = 5;

export function refOf(user: number): SessionRef {
  return { tenantId: `tenant${user % TENANTS}`, userId: `user${user}` };
}
