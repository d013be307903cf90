// What a promotion lost, as the checker is told.
import { PARTITIONS } from '../sessions.mjs';

const NOTHING_LOST = String(2n ** 63n - 1n);

/**
 * All that was acknowledged in between may be lost, unless a replica or PostgreSQL had it.
 *
 * @param {number} lostSinceUs
 * @param {number} killedUs when the old primary could acknowledge for the last time
 * @param {(partition: number) => boolean} isHit
 */
export function lostTail(lostSinceUs, killedUs, isHit = () => true) {
  const floors = Array.from({ length: PARTITIONS }, (_, partition) =>
    isHit(partition) ? '0' : NOTHING_LOST,
  );
  return { lostSinceUs, killedUs, floors };
}
