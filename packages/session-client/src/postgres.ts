export {
  createPostgresLoader,
  type PostgresLoader,
  type PostgresLoaderOptions,
} from '@cauce/postgres/loader';
export { createDirectSessions, type DirectSessionsOptions } from './direct-sessions.ts';
export { createRolloutSessions, type RolloutSessionsOptions } from './rollout-sessions.ts';
