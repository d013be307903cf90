export {
  ABSENT_VERSION,
  CauceError,
  type CauceErrorCode,
  CorruptSessionError,
  InvalidIdError,
  InvalidOptionError,
  isCauceError,
  LayoutMismatchError,
  type RedisConnection,
  RedisError,
  type RedisFailure,
  type RedisSource,
  type RedisTlsFiles,
  RedisUnsafeError,
  type SessionRef,
  type StoredSession,
  type Version,
} from '@cauce/protocol';
export type { Operation, OperationEvent } from './calls.ts';
export { createSessionClient } from './create-session-client.ts';
export {
  AbortedError,
  ClosedError,
  DurabilityError,
  RestoreError,
  type SaveFailure,
  SaveRejectedError,
  SaveUnknownError,
  StateRejectedError,
  StateTooLargeError,
  TenantBudgetError,
  TenantLoadError,
  VersionConflictError,
} from './errors.ts';
export { type OptionsFromSettings, type SessionClientOptions, sessionClientOptionsFrom } from './options.ts';
export type { Durability, SaveReceipt } from './save-receipt.ts';
export type { SaveOptions } from './save-session.ts';
export type { CallOptions, LoadedSession, SessionClient, SessionName } from './session-client.ts';
export type { LoaderCallOptions, SessionLoader } from './session-loader.ts';
export {
  clientSettings,
  type ParsedSettings,
  parseSettings,
  type Settings,
} from './settings.ts';
export { MAX_STATE_DEPTH } from './state-codec.ts';
export type { LoadTenant } from './tenant-cache.ts';
export type { UpdateOptions } from './update-session.ts';
