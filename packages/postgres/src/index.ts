export { assessDatabase, type DatabaseFault, missingGrants } from './assess-database.ts';
export { addressOf, atServer } from './at-server.ts';
export {
  classifyPostgresFailure,
  describeFailure,
  isUnreachable,
  mayBeOneRow,
  type PostgresFailure,
} from './classify-failure.ts';
export { isBusy } from './explain-failure.ts';
export type { TableNames } from './identifiers.ts';
export type { ModeChange, ModeQueries, PartitionMode } from './mode-queries.ts';
export { createPool, type PoolOptions, parseDatabaseUrl, plainTextHosts } from './pool.ts';
export { asked, PostgresError, withoutRows } from './postgres-error.ts';
export {
  type ConflictRow,
  createQueries,
  type ExaminedTable,
  type Layout,
  type Queries,
  type QueriesOptions,
  type RowDifference,
} from './queries.ts';
export { type RedisPeriod, rowId, type SessionRow } from './session-row.ts';
export type { TransactionLimits } from './transaction.ts';
