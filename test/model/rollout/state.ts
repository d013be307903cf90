import type { Step as ModelStep } from '../explore.ts';

/** What `session_mode` can say. */
export type Mode = 'direct' | 'to_redis' | 'redis' | 'to_direct';

export interface Bounds {
  /** Which way is open in the beginning. `plain`: Redis, which was never told of a rollout. */
  readonly start: 'direct' | 'redis' | 'plain';
  /** Which clock is ahead. */
  readonly ahead: 'redis' | 'postgres';
  readonly consumers: 1 | 2;
  /** How many are at the same time between seeing Redis and installing the mode. */
  readonly installers: 1 | 2;
  readonly saves: number;
  readonly loads: number;
  /** How many loads may begin while another is under way. */
  readonly overlaps: number;
  /** 1: what a load gave may be saved with compare-and-set. */
  readonly compareAndSets: number;
  readonly switches: number;
  readonly aborts: number;
  readonly forces: number;
  readonly installs: number;
  readonly evictions: number;
  /** Redis loses its tail. */
  readonly redisLosses: number;
  /** Redis loses everything. */
  readonly redisResets: number;
  readonly postgresLosses: number;
}

export interface Row {
  /** Number of the save it holds; 0: there is none. */
  readonly save: number;
  readonly version: number;
}

export interface Session extends Row {
  readonly isDirty: boolean;
  /** 0: it was not saved, it came from a row. */
  readonly savedIn: number;
  readonly confirmedIn: number;
}

/** `epoch:token`; token 0: there is none. */
export interface Lease {
  readonly token: number;
  readonly epoch: number;
}

/** The field `meta.mode`. */
interface InstalledMode {
  readonly mode: Mode | 'sealed' | 'void';
  readonly term: number;
  readonly period: number;
  /** Epoch with which the period began: what was saved dirty before it is left over. */
  readonly periodEpoch: number;
}

export interface Redis extends InstalledMode {
  readonly epoch: number;
  /** The first epoch on this server. */
  readonly serverEpoch: number;
  /** No version above it was ever issued. Reserved ahead of the clock. */
  readonly floor: number;
  /** Rows up to it were there when Redis had lost everything. */
  readonly seeded: number;
  /** To which PostgreSQL (`database`) the sessions were synced last. */
  readonly database: number;
  readonly session: Session | null;
  readonly lease: Lease;
}

/** The row of `session_mode`, and the session's. */
export interface Postgres {
  readonly mode: Mode;
  readonly term: number;
  readonly period: number;
  readonly floor: number;
  readonly forcedFloor: number;
  readonly row: Row;
}

export interface Consumer {
  readonly phase: 'idle' | 'taken' | 'outdated' | 'compared' | 'done' | 'leftover' | 'leftover compared';
  /** What it took. */
  readonly save: number;
  readonly version: number;
  readonly period: number;
  readonly winsOver: number;
  /** The row it was compared with. */
  readonly row: Row;
  readonly forcedFloor: number;
}

export interface Installer {
  readonly phase: 'idle' | 'saw' | 'read';
  readonly epoch: number;
  readonly mode: Mode;
  readonly term: number;
  readonly period: number;
  readonly floor: number;
}

export interface Load {
  readonly phase:
    | 'idle'
    | 'at Redis'
    | 'at PostgreSQL'
    | 'at Redis again'
    | 'missed'
    | 'leased'
    | 'fetched'
    | 'doubted'
    | 'compared';
  /** What it must not fall behind: acknowledged when it began. */
  readonly floor: number;
  /** Begun while a forced way back was not known everywhere: nothing is promised. */
  readonly isExempt: boolean;
  /** Redis was seen sealed at this term; 0: it was not. */
  readonly sealedAt: number;
  /** PostgreSQL's term when its row was read. */
  readonly term: number;
  readonly held: Row;
  readonly epoch: number;
  readonly lease: Lease;
  readonly row: Row;
  readonly forcedFloor: number;
}

/** What a load gave, for compare-and-set. */
export interface Loaded extends Row {
  /** Of the load; 0: from PostgreSQL. */
  readonly epoch: number;
  readonly lease: Lease;
}

/** Whoever finds a PostgreSQL that may have lost commits. */
export interface Recovery {
  readonly phase: 'idle' | 'asked' | 'read';
  readonly mode: Mode;
  readonly term: number;
  readonly period: number;
  readonly floor: number;
  /** Which PostgreSQL it is about. */
  readonly database: number;
  /** What goes back to the row. */
  readonly held: Row;
  readonly isDirty: boolean;
}

/** Whoever brings back what a forced way back left in Redis. */
export interface Salvage {
  readonly phase: 'idle' | 'read' | 'written' | 'lost';
  readonly held: Row;
  /** Against which it lost. */
  readonly row: Row;
  readonly epoch: number;
}

export interface State {
  readonly redis: Redis;
  /** What the replica or the file has. */
  readonly replica: Redis | null;
  readonly redisClock: number;
  readonly postgres: Postgres;
  readonly standby: Postgres | null;
  readonly postgresClock: number;
  /** Which PostgreSQL it is: its timeline. */
  readonly database: number;
  /** It is the one named in `session_rollout`. */
  readonly isVerified: boolean;
  readonly consumers: readonly Consumer[];
  readonly installers: readonly Installer[];
  readonly loads: readonly [Load, Load];
  readonly recovery: Recovery;
  readonly salvage: Salvage;
  /** What operators hold: terms at which they saw the seal (with the floor of Redis), and Redis prepared. */
  readonly sealSeenAt: number;
  readonly sealedFloor: number;
  readonly preparedSeenAt: number;
  readonly loaded: Loaded | null;

  readonly saves: number;
  readonly lastEpoch: number;
  /** The newest save that was acknowledged, not at risk, and not lost by the only store that had it. */
  readonly acknowledged: number;
  readonly newestVersion: number;
  /** A forced way back of this term, of which Redis does not know yet; 0: none. */
  readonly forcedTerm: number;
  /** Numbers of the saves that the forced way back reported at risk. */
  readonly atRisk: readonly number[];
  readonly left: Bounds;
}

export type Step = ModelStep<State>;

/** Wider than all versions issued within the bounds, what is reserved, and what a new primary's clock is behind. */
export const GAP = 16;
export const FORCED_GAP = 150;
/** How far ahead of the clock versions are reserved. */
export const RESERVE = 2;
/** By how much the term grows after a loss: PostgreSQL may have lost some. */
export const TERMS_LOST = 10;

export const noRow: Row = { save: 0, version: 0 };
export const noLease: Lease = { token: 0, epoch: 0 };
export const idleConsumer: Consumer = {
  ...{ phase: 'idle', save: 0, version: 0, period: 0, winsOver: 0, row: noRow, forcedFloor: 0 },
};
export const idleInstaller: Installer = {
  ...{ phase: 'idle', epoch: 0, mode: 'direct', term: 0, period: 0, floor: 0 },
};
export const noLoad: Load = {
  ...{ phase: 'idle', floor: 0, isExempt: false, sealedAt: 0, term: 0, held: noRow, epoch: 0 },
  ...{ lease: noLease, row: noRow, forcedFloor: 0 },
};
export const noRecovery: Recovery = {
  ...{
    phase: 'idle',
    mode: 'direct',
    term: 0,
    period: 0,
    floor: 0,
    database: 0,
    held: noRow,
    isDirty: false,
  },
};
export const noSalvage: Salvage = { phase: 'idle', held: noRow, row: noRow, epoch: 0 };

export function initialState(bounds: Bounds): State {
  const isDirect = bounds.start === 'direct';
  const mode = isDirect ? 'direct' : 'redis';
  const isTold = bounds.start === 'redis';
  const postgresClock = bounds.ahead === 'redis' ? 10 : 60;
  const floor = isTold ? postgresClock : 0;
  return {
    redis: {
      ...{ mode, term: isTold || isDirect ? 1 : 0, period: isTold ? 1 : 0, periodEpoch: isTold ? 1 : 0 },
      ...{ epoch: 1, serverEpoch: 1, floor, seeded: 0, database: 1, session: null, lease: noLease },
    },
    replica: null,
    redisClock: bounds.ahead === 'redis' ? 60 : 5,
    postgres: { mode, term: 1, period: isTold ? 1 : 0, floor, forcedFloor: 0, row: noRow },
    standby: null,
    postgresClock,
    database: 1,
    isVerified: true,
    consumers: Array<Consumer>(bounds.consumers).fill(idleConsumer),
    installers: Array<Installer>(bounds.installers).fill(idleInstaller),
    loads: [noLoad, noLoad],
    recovery: noRecovery,
    salvage: noSalvage,
    sealSeenAt: 0,
    sealedFloor: 0,
    preparedSeenAt: 0,
    loaded: null,
    saves: 0,
    lastEpoch: 1,
    acknowledged: 0,
    newestVersion: 0,
    forcedTerm: 0,
    atRisk: [],
    left: bounds,
  };
}

export const spend = (left: Bounds, ...names: readonly NumberedBound[]): Bounds => {
  const spent = { ...left };
  for (const name of names) spent[name] = left[name] - 1;
  return spent;
};
type NumberedBound = Exclude<keyof Bounds, 'start' | 'ahead' | 'consumers' | 'installers'>;

export function replaced<One>(list: readonly One[], index: number, one: One): readonly One[] {
  return list.map((held, at) => (at === index ? one : held));
}

/** Redis takes saves. */
export const isOpen = ({ redis }: State): boolean => redis.mode === 'redis';
/** Redis answers loads. */
export const isServing = ({ redis }: State): boolean => redis.mode === 'redis' || redis.mode === 'to_direct';
/** PostgreSQL's row is the session. */
export const isDirectMode = (mode: Mode): boolean => mode === 'direct' || mode === 'to_redis';
