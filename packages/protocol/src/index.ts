export { type Backoff, backoffMs } from './backoff.ts';
export { type Clocks, hostClocks } from './clocks.ts';
export {
  CauceError,
  type CauceErrorCode,
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
export { isLocalHost, plainTextWarning } from './plain-text.ts';
export { printable } from './printable.ts';
export {
  confirmDatabase,
  type OpenRedis,
  openRedis,
  type RedisSource,
} from './redis/connection.ts';
export { DeadlineError, RedisError, type RedisFailure, withDeadline } from './redis/failure.ts';
export { assessRedis, parseInfo, type RedisHealth } from './redis/health.ts';
export { isNamedPrimary } from './redis/named-primary.ts';
export { assessPrimaries, fullest, newestClockUs, primaries } from './redis/primaries.ts';
export { isCluster, type RedisConnection } from './redis/redis-connection.ts';
export {
  countIn,
  entriesIn,
  listIn,
  pairsIn,
  pipelineIn,
  type StreamEntry,
  textIn,
  textOrNullIn,
  textsIn,
  textsOrNullIn,
  understood,
} from './redis/replies.ts';
export { slotOwner } from './redis/slot-owner.ts';
export { type RedisTlsFiles, readRedisTls } from './redis/tls.ts';
export { redisUrlProblem, withoutCredentials } from './redis/url.ts';
export {
  ADMIN_POSTGRES_BACKOFF,
  CONFLICT_BACKOFF,
  LOADER_RETRY_MS,
  MOVE_BACKOFF,
  POSTGRES_BACKOFF,
  REDIS_RETRY_MS,
} from './retry-pauses.ts';
export { type ChangeEvent, decodeEvent } from './wire/change-event.ts';
export {
  createKeyspace,
  DEFAULT_KEY_PREFIX,
  DEFAULT_PARTITIONS,
  type Keyspace,
  type LocatedSession,
  SYNC_GROUP,
} from './wire/keyspace.ts';
export { decodeParkedRecord, isHeldBack, nextParkedRecord, type ParkedRecord } from './wire/parked-record.ts';
export { PARTITION_HASH } from './wire/partition.ts';
export { MAX_SCRIPT_BYTES, MAX_SCRIPT_SESSIONS } from './wire/scripts/arguments.ts';
export type { InstallReply, SealReply } from './wire/scripts/mode-scripts.ts';
export type { SaveCall, SaveLimits, SaveReply } from './wire/scripts/save-script.ts';
export { createScripts, type Scripts } from './wire/scripts/scripts.ts';
export {
  type Epoch,
  type HeldSession,
  type Lease,
  type StoredSession,
  toHeldSession,
} from './wire/scripts/stored-session.ts';
export type { SettleSession, TakenSession } from './wire/scripts/sync-scripts.ts';
export {
  formatHeader,
  type HashedSession,
  parseHeader,
  rowOperations,
  SESSION_FIELDS,
  SESSION_HASH,
  type SessionHeader,
  sessionIn,
} from './wire/session-hash.ts';
export {
  DEFAULT_TENANT_ID,
  decodeId,
  describeKind,
  encodeId,
  type SessionRef,
  toSessionRef,
} from './wire/session-ref.ts';
export { nameTable, type TableIdentity, tableMismatch } from './wire/table-identity.ts';
export {
  ABSENT_VERSION,
  ANY_VERSION,
  compareVersions,
  isVersion,
  LOWEST_READABLE_PROTOCOL,
  MAX_VERSION,
  PROTOCOL_VERSION,
  protocolProblem,
  type Version,
} from './wire/version.ts';
export {
  type ClosedMode,
  closedModes,
  formatMode,
  isTerm,
  NO_PERIOD,
  parseMode,
  type StoredMode,
  storedModes,
  type Term,
  type WriterMode,
  writerModes,
} from './wire/writer-mode.ts';
