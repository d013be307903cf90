// What a promotion lost, in the checker's terms.
import type { RedisRestart } from '@cauce/history';
import { PARTITIONS } from '../sessions.ts';

const NOTHING_LOST = String(2n ** 63n - 1n);

/**
 * All that was acknowledged in between may be lost, unless a replica or PostgreSQL had it.
 *
 * @param killedUs when the old primary could acknowledge for the last time
 */
export function lostTail(
  lostSinceUs: number,
  killedUs: number,
  isHit: (partition: number) => boolean = () => true,
): RedisRestart {
  const floors = Array.from({ length: PARTITIONS }, (_, partition) =>
    isHit(partition) ? '0' : NOTHING_LOST,
  );
  return { lostSinceUs, killedUs, floors };
}
