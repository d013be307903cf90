import { expect, inject, test } from 'vitest';
import { connectClient, createDatabase, type Database, sessionRow } from './rows.ts';

const row = sessionRow('ana', 1);
const slice = { firstBlock: 0, endBlock: 9, historyDays: 1, settledHours: 24, isDryRun: true };

const statements: Record<string, (queries: Database['queries']) => Promise<unknown>> = {
  upsertSessions: (queries) => queries.upsertSessions([row]),
  selectLockedSessions: (queries) => queries.selectLockedSessions([row]),
  selectSessions: (queries) => queries.selectSessions([row.ref]),
  compareSessions: (queries) => queries.compareSessions([row]),
  maxVersion: (queries) => queries.maxVersion(),
  countBlocks: (queries) => queries.countBlocks(),
  purgeSessions: (queries) => queries.purgeSessions(slice),
  archiveConflicts: (queries) => queries.archiveConflicts([{ ...row, winningVersion: '2' }]),
  purgeConflicts: (queries) => queries.purgeConflicts({ historyDays: 1, isDryRun: true }),
  pinLayout: (queries) => queries.pinLayout(4),
};

test.each(Object.entries(statements))(
  'the server gives up %s on a locked table by itself, so that no backend is left waiting (P9)',
  async (_, ask) => {
    const url = inject('databaseUrl');
    const { queries, schema } = await createDatabase(url, { lockTimeoutMs: 200 });
    const holder = await connectClient(url);
    await holder.query(
      `BEGIN; LOCK TABLE ${schema}.session, ${schema}.session_conflict, ${schema}.session_layout`,
    );
    await expect(ask(queries)).rejects.toMatchObject({ code: '55P03' });
    const { rows } = await holder.query(
      `SELECT count(*)::int AS waiting FROM pg_locks JOIN pg_class ON pg_class.oid = relation
       WHERE relnamespace = '${schema}'::regnamespace AND NOT granted`,
    );
    expect(rows).toEqual([{ waiting: 0 }]);
    await holder.query('ROLLBACK');
    await ask(queries);
  },
  10_000,
);
