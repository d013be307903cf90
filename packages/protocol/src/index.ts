export { type Backoff, backoffMs } from './backoff.ts';
export {
  type ChangeEvent,
  type DecodedEvent,
  decodeEvent,
  type StreamEntry,
} from './change-event.ts';
export { type Clocks, hostClocks } from './clocks.ts';
export {
  confirmDatabase,
  isCluster,
  type OpenRedis,
  type OpenRedisOptions,
  openRedis,
  type RedisConnection,
  type RedisSource,
} from './connection.ts';
export { readDatabaseUrl } from './database-url.ts';
export {
  CauceError,
  type CauceErrorCode,
  type CauceErrorOptions,
  CorruptSessionError,
  cauceErrorCodes,
  InvalidIdError,
  InvalidOptionError,
  isCauceError,
  LayoutMismatchError,
  RedisUnsafeError,
  TableMismatchError,
} from './error.ts';
export { ErrorCause } from './error-cause.ts';
export {
  createKeyspace,
  DEFAULT_KEY_PREFIX,
  DEFAULT_PARTITIONS,
  type Keyspace,
  type KeyspaceOptions,
  type LocatedSession,
  type SessionKey,
  SYNC_GROUP,
} from './keyspace.ts';
export { isNamedPrimary } from './named-primary.ts';
export {
  decodeParkedRecord,
  encodeParkedRecord,
  isHeldBack,
  nextParkedRecord,
  type ParkedRecord,
} from './parked-record.ts';
export { PARTITION_HASH } from './partition.ts';
export { isLocalHost, plainTextWarning } from './plain-text.ts';
export { assessPrimaries, fullest, newestClockUs, primaries } from './primaries.ts';
export { printable } from './printable.ts';
export {
  classifyRedisFailure,
  DeadlineError,
  RedisError,
  type RedisFailure,
  withDeadline,
} from './redis-failure.ts';
export { assessRedis, parseInfo, type RedisHealth } from './redis-health.ts';
export { type RedisTlsFiles, readRedisTls, redisTlsFilesOf } from './redis-tls.ts';
export { withoutCredentials } from './redis-url.ts';
export {
  countIn,
  entriesIn,
  listIn,
  pairsIn,
  pipelineIn,
  textIn,
  textOrNullIn,
  textsIn,
  textsOrNullIn,
  understood,
} from './replies.ts';
export {
  ADMIN_POSTGRES_BACKOFF,
  CONFLICT_BACKOFF,
  LOADER_RETRY_MS,
  MAX_PARK_BACKOFF_MS,
  PARK_BACKOFF,
  POSTGRES_BACKOFF,
  REDIS_RETRY_MS,
} from './retry-pauses.ts';
export {
  type ConfirmOutcome,
  createScripts,
  type Epoch,
  type HeldSession,
  type Lease,
  type LeaseReply,
  MAX_SCRIPT_BYTES,
  MAX_SCRIPT_SESSIONS,
  type OpenPartitionReply,
  type ResyncOutcome,
  type SaveCall,
  type SaveLimits,
  type SaveReply,
  type Scripts,
  type ScriptsDeps,
  type ScriptsOptions,
  type SettleOutcome,
  type SettleSession,
  type StoredSession,
  type SweepOutcome,
  type TakenSession,
  type TakeReply,
} from './scripts.ts';
export {
  DEFAULT_TENANT_ID,
  decodeId,
  describeKind,
  encodeId,
  MAX_ENCODED_ID_BYTES,
  type SessionRef,
  toSessionRef,
} from './session-ref.ts';
export { readSecretFiles, secretSettings } from './setting-files.ts';
export {
  describeAllowed,
  type ParsedSettings,
  parseSettings,
  type Setting,
  type SettingName,
  type SettingProblem,
  type Settings,
  settings,
} from './settings.ts';
export { nameTable, type TableIdentity, tableMismatch } from './table-identity.ts';
export {
  ABSENT_VERSION,
  compareVersions,
  isVersion,
  MAX_VERSION,
  PROTOCOL_VERSION,
  type Version,
} from './version.ts';
