// What a promotion lost, as the checker is told.
import { nowUs } from '../history.mjs';
import { PARTITIONS } from '../sessions.mjs';

/** A replica that is connected is not further behind than this. */
const LONGEST_LAG_US = 1_000_000;
const NOTHING_LOST = String(2n ** 63n - 1n);

/** Since when writes may be lost if they are not passed on any more from now on. */
export function lostFromNowUs() {
  return nowUs() - LONGEST_LAG_US;
}

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
