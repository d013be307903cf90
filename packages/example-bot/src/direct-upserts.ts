import pg from 'pg';
import type { Acknowledged } from './bot-messages.ts';
import { createSaveLatency, type LatencySummary } from './save-latency.ts';

export interface DirectUpsertsOptions {
  /** As far away as the consumer's. */
  readonly databaseUrl: string;
  readonly schema: string;
  readonly upserts: number;
  readonly connections: number;
}

/**
 * What the bot would do without the pipeline: one upsert for each save, here of the states it saved last. Every
 * connection is open beforehand and has one upsert at a time, so nothing waits in a queue: the best case.
 */
export async function measureDirectUpserts(
  sessions: readonly Acknowledged[],
  options: DirectUpsertsOptions,
): Promise<LatencySummary> {
  const latency = createSaveLatency(1);
  const table = `"${options.schema}"."direct_session"`;
  const statement = `
    INSERT INTO ${table} (tenant_id, user_id, state, updated_at) VALUES ($1, $2, $3::jsonb, now())
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at`;
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: options.databaseUrl, query_timeout: 10_000 });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const clients = await Promise.all(Array.from({ length: options.connections }, connect));
  try {
    await clients[0]?.query(
      `CREATE TABLE ${table} (tenant_id text, user_id text, state jsonb, updated_at timestamptz, PRIMARY KEY (tenant_id, user_id))`,
    );
    let next = 0;
    const upsertInTurn = async (client: pg.Client): Promise<void> => {
      while (next < options.upserts) {
        const session = sessions[next++ % sessions.length];
        if (!session) return;
        const startedMs = performance.now();
        await client.query(statement, [session.tenantId, session.userId, JSON.stringify(session.state)]);
        latency.record(performance.now() - startedMs);
      }
    };
    await Promise.all(clients.map(upsertInTurn));
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
  return latency.total();
}
