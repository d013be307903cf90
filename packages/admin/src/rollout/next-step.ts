import type { PartitionMode } from '@cauce/postgres';
import type { StoredMode, WriterMode } from '@cauce/protocol';

/** What brings a partition nearer to its target. Each may be repeated, by anybody. */
export type Step =
  /** Bring Redis' copy up to date. */
  | { readonly step: 'install' }
  /** In PostgreSQL, by compare-and-set. */
  | {
      readonly step: 'change';
      readonly to: WriterMode;
      /** Another time in Redis begins: nothing of an earlier one counts. */
      readonly beginsPeriod: boolean;
      /** Another store issues versions from now on: above all that the other one issued. */
      readonly raisesFloor: boolean;
    }
  /** Sync what is dirty, then close Redis for loads, too. */
  | { readonly step: 'seal' }
  | { readonly step: 'done' };

export type Target = 'direct' | 'redis';

/** What Redis has of the mode: a copy that may be behind. */
export type CopiedMode = Pick<StoredMode, 'mode' | 'term'>;

/**
 * The way of a partition, from wherever somebody left it:
 *
 *            change       install, change      install
 *   direct ─────────► to_redis ─────────► redis ─────► done
 *     ▲  ◄────────────┘  (back)             │ change
 *     │ install, then done                  ▼
 *     └────────────────────────────── to_direct ──► redis (forward again)
 *               install, seal, change
 *
 * Pure.
 */
export function nextStep(stored: PartitionMode, copied: CopiedMode | undefined, target: Target): Step {
  const isVoid = copied === undefined || copied.mode === 'void';
  const isCopied = !isVoid && BigInt(copied.term) >= BigInt(stored.term);
  if (target === 'redis') {
    switch (stored.mode) {
      case 'direct':
        return change('to_redis');
      case 'to_redis':
        return isCopied ? change('redis', { beginsPeriod: true, raisesFloor: true }) : { step: 'install' };
      case 'to_direct':
        return change('redis', { raisesFloor: true });
      case 'redis':
        return { step: isCopied ? 'done' : 'install' };
    }
  }
  switch (stored.mode) {
    case 'redis':
      return isCopied ? change('to_direct') : { step: 'install' };
    case 'to_direct':
      // Redis may have lost the seal, and what was done after it: the way back begins anew.
      if (isVoid) return change('redis', { raisesFloor: true });
      if (!isCopied) return { step: 'install' };
      return copied.mode === 'sealed' ? change('direct', { raisesFloor: true }) : { step: 'seal' };
    case 'to_redis':
      return change('direct');
    case 'direct':
      return { step: isCopied ? 'done' : 'install' };
  }
}

function change(
  to: WriterMode,
  { beginsPeriod = false, raisesFloor = false }: { beginsPeriod?: boolean; raisesFloor?: boolean } = {},
): Step {
  return { step: 'change', to, beginsPeriod, raisesFloor };
}
