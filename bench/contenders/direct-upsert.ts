import pg from 'pg';
import { refOf } from '../workload/users.ts';
import type { Contender } from './contender.ts';

/** What a bot without a pipeline does. */
export const upsertStatement = `
  INSERT INTO direct (tenant_id, user_id, state, updated_at) VALUES ($1, $2, $3::jsonb, now())
  ON CONFLICT (tenant_id, user_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at`;

/** Every connection is open beforehand, and there is one for each save under way: the best case. */
export async function openDirectUpsert(
  databaseUrl: string,
  { name, connections }: { readonly name: string; readonly connections: number },
): Promise<Contender> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections, min: connections });
  await Promise.all(Array.from({ length: connections }, () => pool.query('SELECT pg_sleep(0.05)')));
  return {
    name,
    save(user, { json }) {
      const { tenantId, userId } = refOf(user);
      return pool.query(upsertStatement, [tenantId, userId, json]);
    },
    cleanUp: async () => {},
    close: () => pool.end(),
  };
}
