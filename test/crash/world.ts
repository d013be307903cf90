// What a run consists of, as those see it that break it and look at it.
import type { PostgresServer, TcpProxy } from '@cauce/dev-services';
import type { Keyspace, RedisConnection } from '@cauce/protocol';
import type { Pool } from 'pg';
import type { Fleet } from './fleet.ts';
import type { HistoryOfNames } from './history.ts';
import type { FleetName, Store } from './stores/store.ts';

/** Counts what happened, by name. */
export type See = (event: string, count?: number) => void;

export interface World {
  readonly startedUs: number;
  readonly history: HistoryOfNames;
  readonly historyFile: string;
  readonly keyspace: Keyspace;
  readonly store: Store;
  readonly postgres: PostgresServer;
  readonly postgresLinks: Readonly<Record<FleetName, TcpProxy>>;
  readonly pool: Pool;
  /** The harness' own connection, past the proxies. */
  readonly admin: RedisConnection;
  readonly seen: ReadonlyMap<string, number>;
  readonly see: See;
  /** Sessions that were parked though no row was refused. */
  readonly parkedWrongly: Set<string>;
  readonly bots: Fleet;
  readonly consumers: Fleet;
  /** No version above it was issued, for each partition; null: there is none. */
  versionFloors(): Promise<(string | null)[]>;
  /** The version of each session that is in Redis, by its name. */
  heldVersions(): Promise<ReadonlyMap<string, bigint>>;
  countDirty(): Promise<number>;
  countEvents(): Promise<number>;
  countParked(): Promise<number>;
  close(): Promise<void>;
}
