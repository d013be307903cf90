export {
  createPostgresLoader,
  type PostgresLoader,
  type PostgresLoaderOptions,
} from '@cauce/postgres/loader';
export { createDirectSessions, type DirectSessionsOptions } from './direct-sessions.ts';
