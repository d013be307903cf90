export {
  createPostgresLoader,
  type PostgresLoader,
  type PostgresLoaderOptions,
} from '@cauce/postgres/loader';
