import {
  type PostgresServer,
  type PostgresServerOptions,
  type RedisServer,
  type RedisServerOptions,
  startPostgres,
  startRedis,
} from '@cauce/dev-services';
import { onTestFinished } from 'vitest';

/** A Redis for one test that breaks it. */
export async function ownRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

/** A PostgreSQL for one test that breaks it. */
export async function ownPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const server = await startPostgres(options);
  onTestFinished(() => server.stop());
  return server;
}
