import { asked, type SessionRow } from '@cauce/postgres';
import { isVersion, type LocatedSession } from '@cauce/protocol';
import type { AdminDeps } from './admin-deps.ts';
import type { ComparedRow } from './compare-rows.ts';

/**
 * `reissued`: announced with a new version, a consumer syncs it. `adopted`: Redis took the newer row, its own
 * state is in the conflict table. `superseded`: saved, removed or purged meanwhile, nothing to repair. `none`: a
 * person has to look.
 */
export type Repair = 'reissued' | 'adopted' | 'superseded' | 'none';

/** Makes one clean session and its row the same again. @throws RedisError, PostgresError */
export async function repairSession(
  { scripts, queries }: Pick<AdminDeps, 'scripts' | 'queries'>,
  session: LocatedSession,
  { row, difference }: ComparedRow<SessionRow>,
  { ttlMs }: { ttlMs: number },
): Promise<Repair> {
  switch (difference) {
    case 'unreadable':
      return 'none';
    case 'missing':
    case 'older_row':
    case 'other_state':
      return scripts.reissue(session, { expectedVersion: row.version, isDirty: false, floor: '0' });
    case 'newer_row': {
      const [winner] = await asked(queries.selectSessions([row.ref]));
      if (!winner) return 'superseded';
      if (!isVersion(winner.version)) return 'none';
      // The loser is kept before it is replaced.
      const kept = await asked(queries.archiveConflicts([{ ...row, winningVersion: winner.version }]));
      if (kept.length === 0) return 'none';
      return scripts.adopt(session, {
        losingVersion: row.version,
        state: winner.state ?? '',
        version: winner.version,
        isTombstone: winner.state === null,
        operations: winner.operations,
        ttlMs,
      });
    }
  }
}
