import { CauceError, type StoredMode } from '@cauce/protocol';

/**
 * Redis has the sessions of the partition, but they are not the newest: its writer mode is another one. Only for those who
 * follow the mode; they look into the other store.
 */
export class ClosedPartitionError extends CauceError {
  /** As Redis has it; undefined: none is stored, or it is unreadable. */
  readonly found: Pick<StoredMode, 'mode' | 'term'> | undefined;

  constructor(found: Pick<StoredMode, 'mode' | 'term'> | undefined) {
    super('RESTORE_FAILED', 'The sessions of its partition are not served by Redis.', { retryable: true });
    this.found = found;
  }
}
