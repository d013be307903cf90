import { asked } from '@cauce/postgres';
import { type PurgeOptions, type PurgeReport, purgeHistory } from '@cauce/sync-consumer/internal';
import type { AdminDeps } from './admin-deps.ts';

/** Deletes old rows and old conflicts, as the consumer does once a day. @throws PostgresError, AbortError */
export function purge({ queries }: Pick<AdminDeps, 'queries'>, options: PurgeOptions): Promise<PurgeReport> {
  return asked(purgeHistory(queries, options));
}
