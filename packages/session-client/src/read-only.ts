import type { RedisError } from '@cauce/protocol';

const reasons = new Set(['OOM', 'MISCONF', 'NOREPLICAS']);

/** Redis answers reads but takes no writes: what PostgreSQL has can be served, it just cannot be kept. */
export function isReadOnly({ failure }: RedisError): boolean {
  return reasons.has(failure.reason);
}
