import type { ClosedMode } from '@cauce/protocol';
import { SaveRejectedError } from './errors.ts';

export const MOVING =
  'Its partition is being moved from one store to the other: repeat the call in a moment.';

/** The fence in Redis let the save not pass, because of this writer mode of its partition. Pure. */
export function movedSave(mode: ClosedMode): SaveRejectedError {
  const isDirect = mode === 'direct';
  const reason = isDirect ? 'MODE_DIRECT' : 'MODE_MOVING';
  const why = isDirect
    ? 'The sessions of its partition are in PostgreSQL: save it there, with createDirectSessions.'
    : MOVING;
  return new SaveRejectedError({ effect: 'refused', retryable: !isDirect, reason }, undefined, why);
}
