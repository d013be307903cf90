import type { Step as ModelStep } from './explore.ts';

/**
 * One session while a store loses the end of what it acknowledged: Redis (a replica that lagged is promoted, a file
 * lacks its last second, everything is gone) and PostgreSQL (a standby is promoted, a backup restored). Each
 * transition is one atomic step of the real thing, named after the script or statement it stands for.
 *
 * What is modelled: epochs and the version floor's gap, saves, compare-and-set over what was loaded, loads with
 * confirm, lease and restore, two consumers that may sleep between any two steps, takeover, crash, adopt, reissue,
 * resync, eviction, a clock that was further ahead than the gap is wide. A save is known by its number, the order in
 * which saves were acknowledged, and not by its version: that the two differ is what a loss is about. A
 * compare-and-set is judged by these numbers, never by what Redis holds at that moment.
 * The second epoch and every client's learning of it are one step; a client asks again every 30 s.
 * What is not: a former primary that goes on; a clock that jumped further ahead than the gap in what Redis lost;
 * tombstones, their purge, and faults of the stream (see session-model.ts, which has no losses); PostgreSQL being away
 * while a load wants to compare; a session that leaves Redis between the loss of its commit and the resync; a Redis
 * that lost all, the database it knew included, right before PostgreSQL lost its tail; a second loss of Redis before
 * the first one's gap is used up (floors of two servers differ by the time they began).
 */

/** The weakened protocols: each leaves one safeguard out, and must be caught. */
export interface Weakness {
  /** Whatever Redis holds is trusted. */
  readonly noConfirm?: boolean;
  /** A rejected upsert is taken for a superseded one. */
  readonly noAdopt?: boolean;
  readonly noSecondEpoch?: boolean;
  /** A rejected save loses to its row even when it was made after the loss. */
  readonly alwaysAdopts?: boolean;
  /** A rejected save wins over its row even when it was made before the loss. */
  readonly alwaysReissues?: boolean;
  /** A new epoch does not raise the version floor. */
  readonly noGap?: boolean;
  /** Clients read and save before the new epoch has begun. */
  readonly lateEpoch?: boolean;
  /** adopt marks the session as of the present epoch. */
  readonly adoptTrusts?: boolean;
  readonly noResync?: boolean;
  /** A state is written however long ago it was taken. */
  readonly statesNeverExpire?: boolean;

  /** A load trusts by the epoch its client knew when it connected: it never asks again. */
  readonly trustsKnownEpoch?: boolean;
  /** A load that finds the session while it takes the lease trusts it. */
  readonly leaseTrusts?: boolean;
  /** compare-and-set takes the version of a session that was not compared with its row in this epoch. */
  readonly casIgnoresEpoch?: boolean;
  /** compare-and-set takes a session that is not in Redis for one that never was. */
  readonly absenceUnproven?: boolean;
  /** A lease of an earlier epoch proves absence. */
  readonly leaseIgnoresEpoch?: boolean;
  /** A save of the first epoch on a server counts as made before it once the second has begun. */
  readonly secondEpochDemotes?: boolean;
  /** A Redis that lost `meta` too begins with no floor. */
  readonly floorLost?: boolean;
  /** A session of an earlier epoch counts from its own version. */
  readonly countsFromLostVersion?: boolean;
  /** A Redis that lost `meta` too begins without a second epoch. */
  readonly noSecondEpochAfterReset?: boolean;
  /** resync comes once, while a commit that was lost may still be settled. */
  readonly resyncOnce?: boolean;
}

export interface Bounds {
  readonly saves: number;
  readonly loads: number;
  /** How many loads may begin while another is under way. */
  readonly overlaps: number;
  readonly evictions: number;
  readonly crashes: number;
  readonly clockJumps: number;
  /** Redis loses its tail. */
  readonly redisLosses: number;
  /** Redis loses everything. */
  readonly redisResets: number;
  readonly postgresLosses: number;
}

/** What a load that missed holds: nobody saved while it is there. */
interface Lease {
  /** 0 = there is none. */
  readonly token: number;
  /** In which it was taken. */
  readonly epoch: number;
}

/** What a load gave, for compare-and-set. */
interface Loaded extends Row {
  /** Under which no session was found. */
  readonly lease: Lease;
}

interface Row {
  /** Number of the save it holds; 0: there is no row. */
  readonly save: number;
  readonly version: number;
}

interface Session extends Row {
  readonly isDirty: boolean;
  /** Id of its event, 0 = ''. */
  readonly event: number;
  /** Of which epoch it is trusted; 0 = none. */
  readonly epoch: number;
  /** In which epoch it was saved; 0 = it was not. */
  readonly savedIn: number;
}

interface Redis {
  readonly session: Session | null;
  /** meta: no version above it was ever issued. Reserved ahead of the clock. */
  readonly floor: number;
  /** Ids; any of them may be read, or claimed. */
  readonly events: readonly number[];
  readonly lease: Lease;
  /**
   * meta: epoch, server (0 = `meta` is not there), whether epochEndsAtMs is set, and the first epoch on this server.
   */
  readonly epoch: number;
  readonly server: number;
  readonly isFirstEpoch: boolean;
  readonly serverEpoch: number;
  /** meta: the floor a consumer gave when it found none: rows up to it were there when Redis had lost everything. */
  readonly seeded: number;
  /** meta: the database the sessions were synced to last. */
  readonly database: number;
}

interface Consumer {
  readonly phase: 'idle' | 'taken' | 'outdated' | 'compared' | 'done';
  readonly event: number;
  readonly save: number;
  /** What it took; after `done` the version that was written, 0 = none. */
  readonly version: number;
  /** Rows up to this version are older whatever their versions say. */
  readonly winsOver: number;
  /** The newer row, from `compared` on. */
  readonly winner: Row;
  /** Taken: from a Redis that lost its tail since. Compared or done: with a PostgreSQL that did. */
  readonly isBeforeLoss: boolean;
}

interface Load {
  readonly phase: 'idle' | 'again' | 'doubted' | 'asking' | 'asked' | 'missed' | 'leased' | 'fetched';
  readonly held: Row;
  /** The `e` of what is held. */
  readonly heldEpoch: number;
  /** Its epoch is of before the row is read. */
  readonly lease: Lease;
  /** Before the row is read to confirm: a Redis that changed since may be older than it. */
  readonly epoch: number;
  readonly row: Row;
  /** What it must not fall behind: acknowledged, or in the row, when it began. */
  readonly floor: number;
  readonly isBeforeLoss: boolean;
}

export interface State {
  readonly redis: Redis;
  /** The server's run id and replication id, as a number. */
  readonly server: number;
  readonly clock: number;
  /** What the replica or the file has. */
  readonly replica: { readonly redis: Redis; readonly clock: number } | null;
  readonly row: Row;
  /** What the standby or the backup has. */
  readonly standby: Row;
  readonly database: number;
  readonly consumers: readonly [Consumer, Consumer];
  readonly loads: readonly [Load, Load];
  /** What the client's gate knows; 0 = it is shut. */
  readonly knownEpoch: number;
  readonly lastEpoch: number;
  readonly loaded: Loaded | null;
  readonly saves: number;
  /** The newest save that was acknowledged and not lost by the only store that had it. */
  readonly acknowledged: number;
  readonly left: Bounds;
}

type Step = ModelStep<State>;

/** Wider than all versions issued within the bounds, unless the clock jumped. */
const GAP = 20;
const CLOCK_JUMP = 100;
/** How far ahead of the clock versions are reserved. */
const RESERVE = 3;

const noRow: Row = { save: 0, version: 0 };
const noLease: Lease = { token: 0, epoch: 0 };
const idle: Consumer = {
  phase: 'idle',
  event: 0,
  save: 0,
  version: 0,
  winsOver: 0,
  winner: noRow,
  isBeforeLoss: false,
};
const noLoad: Load = {
  phase: 'idle',
  held: noRow,
  heldEpoch: 0,
  lease: noLease,
  epoch: 0,
  row: noRow,
  floor: 0,
  isBeforeLoss: false,
};
const emptyRedis: Redis = {
  session: null,
  floor: 0,
  events: [],
  lease: noLease,
  epoch: 0,
  server: 0,
  isFirstEpoch: false,
  serverEpoch: 0,
  seeded: 0,
  database: 0,
};
const START_CLOCK = 10;

export function initialState(bounds: Bounds): State {
  return {
    redis: { ...emptyRedis, epoch: 1, server: 1, serverEpoch: 1, database: 1 },
    server: 1,
    clock: START_CLOCK,
    replica: null,
    row: noRow,
    standby: noRow,
    database: 1,
    consumers: [idle, idle],
    loads: [noLoad, noLoad],
    knownEpoch: 1,
    lastEpoch: 1,
    loaded: null,
    saves: 0,
    acknowledged: 0,
    left: bounds,
  };
}

/** Every step that can happen next. */
export function steps(state: State, weakness: Weakness): Step[] {
  return [
    ...saveSteps(state, weakness),
    ...([0, 1] as const).flatMap((load) => loadSteps(state, load, weakness)),
    ...([0, 1] as const).flatMap((consumer) => consumerSteps(state, consumer, weakness)),
    ...openSteps(state, weakness),
    ...watchSteps(state, weakness),
    ...faultSteps(state),
  ].map((step) => ({ ...step, violation: step.violation ?? rowWentBack(state, step) }));
}

const isOpened = ({ redis, server }: State): boolean => redis.server === server;

// open-partition.lua
function open(state: State, weakness: Weakness): State {
  const { redis, clock, server } = state;
  const epoch = state.lastEpoch + 1;
  if (!isOpened(state)) {
    const isReset = redis.server === 0;
    const hasGap = !weakness.noGap && !(isReset && weakness.floorLost);
    const floor = hasGap ? Math.max(redis.floor, clock) + GAP : redis.floor;
    const isFirstEpoch = !weakness.noSecondEpoch && !(isReset && weakness.noSecondEpochAfterReset);
    const seeded = isReset ? state.row.version : redis.seeded;
    const begun = { epoch, server, serverEpoch: epoch, isFirstEpoch, seeded };
    return { ...state, redis: { ...redis, ...begun, floor }, lastEpoch: epoch };
  }
  // Its time is longer than what was taken before the loss is written.
  const mayWrite = state.consumers.some(({ phase, isBeforeLoss }) => phase === 'taken' && isBeforeLoss);
  if (!redis.isFirstEpoch || (mayWrite && !weakness.statesNeverExpire)) return state;
  const serverEpoch = weakness.secondEpochDemotes ? epoch : redis.serverEpoch;
  return { ...state, redis: { ...redis, epoch, serverEpoch, isFirstEpoch: false }, lastEpoch: epoch };
}

function openSteps(state: State, weakness: Weakness): Step[] {
  const opened = open(state, weakness);
  const found: Step[] = [];
  if (opened !== state)
    found.push({ name: isOpened(state) ? 'second epoch' : 'open-partition', next: opened });
  // The gate of a client, after its connection was lost; and its recheck.
  const knownEpoch = known(state, weakness);
  if (state.knownEpoch !== knownEpoch && isOpened(state))
    found.push({ name: 'client opens', next: { ...state, knownEpoch } });
  return found;
}

/** Of which epoch a client needs to know only that it asked, if every read tells it the present one. */
const known = ({ redis }: State, weakness: Weakness): number => (weakness.trustsKnownEpoch ? redis.epoch : 1);

const mayUse = (state: State, weakness: Weakness): boolean =>
  Boolean(weakness.lateEpoch) || (isOpened(state) && state.knownEpoch !== 0);

// save.lua
function save(state: State, weakness: Weakness): State {
  const { redis, left } = state;
  const { session } = redis;
  const version = nextVersion(state, weakness);
  const isAnnounced = session !== null && redis.events.includes(session.event);
  const event = isAnnounced ? session.event : newEventId(state);
  const number = state.saves + 1;
  return {
    ...state,
    redis: {
      ...redis,
      session: { save: number, version, isDirty: true, event, epoch: redis.epoch, savedIn: redis.epoch },
      events: isAnnounced ? redis.events : [...redis.events, event],
      floor: reserve(state, version),
      lease: noLease,
    },
    clock: state.clock + 1,
    saves: number,
    acknowledged: number,
    left: { ...left, saves: left.saves - 1 },
  };
}

/** In an earlier epoch, or as a row, it may have had versions that Redis lost: it counts from what was issued to all. */
function nextVersion({ redis, clock }: State, weakness: Weakness): number {
  const { session, epoch, floor } = redis;
  const known = session?.version ?? 0;
  const isOfEpoch = session !== null && session.savedIn === epoch && floor <= clock + RESERVE;
  const knowsItsLast = isOfEpoch || (session !== null && weakness.countsFromLostVersion);
  return Math.max(clock, known + 1, knowsItsLast ? 0 : floor + 1);
}

function reserve({ redis, clock }: State, version: number): number {
  return version > redis.floor ? Math.max(version, clock + RESERVE) : redis.floor;
}

function saveSteps(state: State, weakness: Weakness): Step[] {
  const { loaded, left, acknowledged, redis } = state;
  if (left.saves === 0 || !mayUse(state, weakness)) return [];
  const found: Step[] = [{ name: 'save', next: save(state, weakness) }];
  if (!loaded) return found;
  const { session, epoch, lease } = redis;
  const isDoubted = session !== null && session.epoch !== epoch && !weakness.casIgnoresEpoch;
  const isProven =
    isLeaseOf(lease, loaded.lease) && (loaded.lease.epoch === epoch || Boolean(weakness.leaseIgnoresEpoch));
  const isAbsent =
    session === null && loaded.version === 0 && (isProven || Boolean(weakness.absenceUnproven));
  if (isDoubted || (session?.version !== loaded.version && !isAbsent))
    return [...found, { name: 'compare-and-set: conflict', next: { ...state, loaded: null } }];
  // By what was acknowledged, whatever Redis holds.
  const isOverAnother = loaded.save < acknowledged || (session !== null && session.save !== loaded.save);
  found.push({
    name: session ? 'compare-and-set' : 'compare-and-set over nothing',
    next: { ...save(state, weakness), loaded: null },
    violation: isOverAnother ? 'LOST_UPDATE' : undefined,
  });
  return found;
}

const isLeaseOf = (lease: Lease, held: Lease): boolean => held.token !== 0 && lease.token === held.token;

// load-sessions.ts, confirm-sessions.ts, restore-sessions.ts with confirm.lua, lease.lua, restore.lua
function loadSteps(state: State, index: 0 | 1, weakness: Weakness): Step[] {
  const load = state.loads[index];
  const { redis, row, left } = state;
  const { session } = redis;
  const name = (step: string): string => `${step} (load ${index})`;
  const become = (next: Load, changes: Partial<State> = {}): State => ({
    ...state,
    ...changes,
    loads: index === 0 ? [next, state.loads[1]] : [state.loads[0], next],
  });
  const give = (step: string, given: Row, changes: Partial<Redis> = {}, floor = load.floor): Step => ({
    name: name(`${step}, gives ${given.save}`),
    next: become(noLoad, {
      loaded: left.saves > 0 ? { ...given, lease: given.save === 0 ? load.lease : noLease } : null,
      redis: { ...redis, ...changes },
    }),
    violation: given.save < floor ? 'STALE_LOAD' : undefined,
  });
  const presentEpoch = weakness.trustsKnownEpoch ? state.knownEpoch : redis.epoch;
  const look = (step: string, one: Load, isTrusted: boolean, changes: Partial<State> = {}): Step => {
    const again: Load = { ...noLoad, floor: one.floor };
    if (!session)
      return { name: name(`${step}: miss`), next: become({ ...again, phase: 'missed' }, changes) };
    const { save: number, version, epoch: heldEpoch } = session;
    const held = { save: number, version };
    if (!isTrusted)
      return {
        name: name(`${step}: doubted`),
        next: become({ ...again, phase: 'doubted', held, heldEpoch }, changes),
      };
    const given = give(step, held, {}, one.floor);
    return { ...given, next: { ...given.next, ...changes } };
  };
  const isTrusted = Boolean(weakness.noConfirm) || session?.epoch === presentEpoch;

  switch (load.phase) {
    case 'idle': {
      const { overlaps } = left;
      const isOverlap = state.loads[1 - index]?.phase !== 'idle';
      const mayBegin = isOverlap ? overlaps > 0 : index === 0;
      if (left.loads === 0 || !mayBegin || !mayUse(state, weakness)) return [];
      // Until the second epoch a write that was under way when Redis lost its tail may pass a load.
      const isPassed = redis.isFirstEpoch || !isOpened(state);
      const floor = isPassed ? state.acknowledged : Math.max(state.acknowledged, row.save);
      return [
        look('load', { ...noLoad, floor }, isTrusted, {
          left: { ...left, loads: left.loads - 1, overlaps: isOverlap ? overlaps - 1 : overlaps },
        }),
      ];
    }
    case 'again':
      return [look('read again', load, Boolean(weakness.noConfirm))];
    case 'doubted': {
      // refreshEpoch opens the partition if need be.
      if (!isOpened(state)) return [];
      const { epoch } = redis;
      if (load.heldEpoch === epoch) return [give('refresh epoch: trusted', load.held)];
      const next = become(
        { ...load, phase: 'asking', heldEpoch: 0, epoch },
        { knownEpoch: known(state, weakness) },
      );
      return [{ name: name('refresh epoch'), next }];
    }
    case 'asking':
      return [{ name: name('select'), next: become({ ...load, phase: 'asked', row }) }];
    case 'asked': {
      // confirm.lua
      const { held, epoch, row: asked } = load;
      if (session?.version !== held.version || redis.epoch !== epoch)
        return [
          {
            name: name('confirm: superseded'),
            next: become({ ...noLoad, phase: 'again', floor: load.floor }),
          },
        ];
      const floor = Math.max(redis.floor, asked.version);
      // What was saved since Redis lost everything is newer than a row that was there, whatever their versions are.
      const isSavedSince =
        session.isDirty && session.savedIn >= redis.serverEpoch && asked.version <= redis.seeded;
      if (asked.version <= held.version || isSavedSince) {
        return [give('confirm', held, { floor, session: { ...session, epoch } })];
      }
      if (session.isDirty) return [give('confirm: outdated', asked, { floor })];
      return [
        give('confirm: adopted', asked, {
          floor,
          session: { ...asked, isDirty: false, event: 0, epoch, savedIn: 0 },
        }),
      ];
    }
    case 'missed': {
      // lease.lua
      if (session && weakness.leaseTrusts) return [look('lease: hit', load, true)];
      if (session)
        return [{ name: name('lease: hit'), next: become({ ...noLoad, phase: 'again', floor: load.floor }) }];
      // That of whoever asked before in this epoch is shared.
      const { epoch } = redis;
      const isShared = redis.lease.token !== 0 && redis.lease.epoch === epoch;
      const lease = isShared ? redis.lease : { token: newToken(state), epoch };
      return [
        {
          name: name('lease'),
          next: become({ ...load, phase: 'leased', lease }, { redis: { ...redis, lease } }),
        },
      ];
    }
    case 'leased':
      return [{ name: name('select'), next: become({ ...load, phase: 'fetched', row }) }];
    case 'fetched': {
      // restore.lua
      if (session || !isLeaseOf(redis.lease, load.lease))
        return [
          {
            name: name('restore: refused'),
            next: become({ ...noLoad, phase: 'again', floor: load.floor }),
          },
        ];
      if (load.row.save === 0) return [give('no row', noRow)];
      return [
        give('restore', load.row, {
          session: { ...load.row, isDirty: false, event: 0, epoch: load.lease.epoch, savedIn: 0 },
          floor: Math.max(redis.floor, load.row.version),
          lease: noLease,
        }),
      ];
    }
  }
}

function consumerSteps(state: State, index: 0 | 1, weakness: Weakness): Step[] {
  const consumer = state.consumers[index];
  const { redis, row } = state;
  const { session, events } = redis;
  const name = (step: string): string => `${step} (consumer ${index})`;
  const become = (next: Consumer, changes: Partial<State> = {}): State => ({
    ...state,
    ...changes,
    consumers: index === 0 ? [next, state.consumers[1]] : [state.consumers[0], next],
  });

  switch (consumer.phase) {
    case 'idle': {
      // XREADGROUP or XAUTOCLAIM, then at once take.lua with reopen-on-take.ts.
      if (!isOpened(state)) return [];
      if (!session?.isDirty)
        return events.map((event) => ({
          name: name('take: clean'),
          next: become({ ...idle, phase: 'done', event }),
        }));
      const { save: number, version, savedIn } = session;
      const winsOver = savedIn >= redis.serverEpoch ? redis.seeded : 0;
      return events.map((event) => ({
        name: name(`take of ${number}`),
        next: become({ ...idle, phase: 'taken', event, save: number, version, winsOver }),
      }));
    }
    case 'taken': {
      // upsert-batch.ts, upsert-sessions.sql
      const { save: number, version } = consumer;
      const found: Step[] = [];
      // MAX_TAKEN_AGE_MS
      if (consumer.isBeforeLoss && !weakness.statesNeverExpire)
        found.push({ name: name('expired'), next: become(idle) });
      if (version > row.version)
        found.push({
          name: name(`upsert of ${number}`),
          next: become(
            { ...idle, phase: 'done', event: consumer.event, version },
            { row: { save: number, version } },
          ),
        });
      else
        found.push({
          name: name('upsert: rejected'),
          next: become({ ...consumer, phase: 'outdated', isBeforeLoss: false }),
        });
      return found;
    }
    case 'outdated': {
      // resolve-outdated.ts, select-sessions.sql
      const { event, version } = consumer;
      if (row.version === version)
        return [{ name: name('duplicate'), next: become({ ...idle, phase: 'done', event, version }) }];
      if (row.version < version) return [{ name: name('postponed'), next: become(idle) }];
      return [{ name: name('compare'), next: become({ ...consumer, phase: 'compared', winner: row }) }];
    }
    case 'compared': {
      // adopt.lua, reissue.lua. That both look whether the session is still at the losing version makes the second
      // take before them a saving only.
      const { event, version, winner } = consumer;
      const settled: Consumer = { ...idle, phase: 'done', event };
      const floor = Math.max(redis.floor, winner.version);
      const wasSavedSince =
        (!weakness.alwaysAdopts && winner.version <= consumer.winsOver) || weakness.alwaysReissues;
      if (weakness.noAdopt) return [{ name: name('superseded'), next: become(settled) }];
      if (wasSavedSince) {
        const isStill =
          weakness.alwaysReissues ||
          (session &&
            isOpened(state) &&
            session.savedIn >= redis.serverEpoch &&
            winner.version <= redis.seeded);
        if (!session?.isDirty || session.version !== version || !isStill)
          return [{ name: name('reissue: superseded'), next: become(settled) }];
        const reissued = Math.max(version + 1, redis.floor + 1, winner.version + 1, state.clock);
        const isAnnounced = events.includes(session.event);
        const id = isAnnounced ? session.event : newEventId(state);
        return [
          {
            name: name('reissue'),
            next: become(settled, {
              redis: {
                ...redis,
                session: { ...session, version: reissued, event: id },
                events: isAnnounced ? events : [...events, id],
                floor: reissued,
              },
            }),
          },
        ];
      }
      if (session?.version !== version) {
        const aboveRow = Math.max(redis.floor, winner.version + RESERVE);
        const next = become(settled, { redis: { ...redis, floor: aboveRow } });
        return [{ name: name('adopt: superseded'), next }];
      }
      return [
        {
          name: name(`adopt of ${winner.save}`),
          next: become(settled, {
            redis: {
              ...redis,
              session: {
                ...winner,
                isDirty: false,
                event: 0,
                epoch: weakness.adoptTrusts ? redis.epoch : 0,
                savedIn: 0,
              },
              events: events.filter((id) => id !== session.event),
              floor,
            },
          }),
        },
      ];
    }
    case 'done':
      return [{ name: name('settle'), next: settle(become(idle), consumer) }];
  }
}

// settle.lua
function settle(state: State, { event, version: written }: Consumer): State {
  const { redis } = state;
  const { session } = redis;
  const events = redis.events.filter((id) => id !== event);
  if (!session?.isDirty) {
    const isOutdated = session && session.version < written;
    return { ...state, redis: { ...redis, events, session: isOutdated ? null : session } };
  }
  if (session.version === written) {
    const clean = { ...session, isDirty: false, event: 0 };
    return {
      ...state,
      redis: { ...redis, events: events.filter((id) => id !== session.event), session: clean },
    };
  }
  if (events.includes(session.event)) return { ...state, redis: { ...redis, events } };
  const id = newEventId(state);
  return {
    ...state,
    redis: { ...redis, session: { ...session, event: id }, events: [...events, id] },
  };
}

// watch-database.ts, resync.lua
function watchSteps(state: State, weakness: Weakness): Step[] {
  const { redis, database } = state;
  const { session } = redis;
  if (redis.database === database) return [];
  const isLate = [...state.consumers, ...state.loads].some(
    ({ phase, isBeforeLoss }) => phase !== 'taken' && isBeforeLoss,
  );
  const remembered = { ...redis, database };
  if (redis.database === 0 || weakness.noResync || !session || session.isDirty) {
    // Repeated until nothing that was committed or read before the loss is under way.
    if (isLate && !weakness.resyncOnce) return [];
    return [{ name: 'remember database', next: { ...state, redis: remembered } }];
  }
  const event = newEventId(state);
  return [
    {
      name: 'resync',
      next: {
        ...state,
        redis: {
          ...(isLate && !weakness.resyncOnce ? redis : remembered),
          session: { ...session, isDirty: true, event, epoch: 0, savedIn: 0 },
          events: [...redis.events, event],
        },
      },
    },
  ];
}

function faultSteps(state: State): Step[] {
  const { redis, left, row } = state;
  const found: Step[] = [];
  const fault = (name: string, bound: keyof Bounds, changes: Partial<State>): void => {
    found.push({ name, next: { ...state, ...changes, left: { ...left, [bound]: left[bound] - 1 } } });
  };
  if (left.evictions > 0 && redis.session && !redis.session.isDirty)
    fault('evict or expire', 'evictions', {
      redis: { ...redis, session: null },
      // Until the resync nobody but Redis may have it.
      acknowledged:
        redis.database === state.database ? state.acknowledged : Math.min(state.acknowledged, row.save),
    });
  if (left.clockJumps > 0) fault('clock jumps ahead', 'clockJumps', { clock: state.clock + CLOCK_JUMP });
  if (left.crashes > 0)
    for (const index of [0, 1] as const)
      if (state.consumers[index].phase !== 'idle')
        fault(`crash (consumer ${index})`, 'crashes', {
          consumers: index === 0 ? [idle, state.consumers[1]] : [state.consumers[0], idle],
        });
  const isOf = (server: { redis: Redis; clock: number }): Partial<State> =>
    afterLoss(state, { ...server, server: state.server + 1, replica: null, knownEpoch: 0 });
  // Only the last time the replica catches up counts, so one is enough.
  if (left.redisLosses > 0 && !state.replica)
    found.push({ name: 'replica catches up', next: { ...state, replica: { redis, clock: state.clock } } });
  if (left.redisLosses > 0 && state.replica)
    fault('REDIS LOSES ITS TAIL', 'redisLosses', isOf(state.replica));
  if (left.redisResets > 0)
    fault('REDIS LOSES ALL', 'redisResets', isOf({ redis: emptyRedis, clock: START_CLOCK }));
  if (left.postgresLosses > 0) {
    if (state.standby !== row) found.push({ name: 'standby catches up', next: { ...state, standby: row } });
    const lost: Partial<State> = { row: state.standby, database: state.database + 1 };
    fault('POSTGRESQL LOSES ITS TAIL', 'postgresLosses', afterLoss(state, lost));
  }
  return found;
}

/** What neither store has any more is lost, and expected of nobody. */
function afterLoss(state: State, lost: Partial<State>): Partial<State> {
  const { redis, row } = { ...state, ...lost };
  const acknowledged = Math.min(state.acknowledged, Math.max(redis.session?.save ?? 0, row.save));
  const marked: readonly string[] = lost.redis ? ['taken'] : ['compared', 'done', 'asked', 'fetched'];
  // A version the gap does not cover is above those of saves after the loss: then nothing may be under way.
  const isGapTooNarrow = state.clock >= CLOCK_JUMP && lost.redis;
  const before = <One extends Consumer | Load>(one: One): One =>
    marked.includes(one.phase) ? { ...one, isBeforeLoss: true } : one;
  const bounded = (load: Load): Load => before({ ...load, floor: Math.min(load.floor, acknowledged) });
  const [consumer0, consumer1] = state.consumers;
  const [load0, load1] = state.loads;
  return {
    ...lost,
    acknowledged,
    consumers: isGapTooNarrow ? [idle, idle] : [before(consumer0), before(consumer1)],
    loads: [bounded(load0), bounded(load1)],
  };
}

function newEventId({ redis, replica, consumers }: State): number {
  const used = new Set([
    redis.session?.event ?? 0,
    ...redis.events,
    ...(replica?.redis.events ?? []),
    ...consumers.map(({ event }) => event),
  ]);
  let id = 1;
  while (used.has(id)) id++;
  return id;
}

/** A token is random: it is nobody else's, in Redis, in what it may go back to, or in a client's hands. */
function newToken({ redis, replica, loads, loaded }: State): number {
  const leases = [redis.lease, replica?.redis.lease, ...loads.map(({ lease }) => lease), loaded?.lease];
  const used = new Set(leases.map((lease) => lease?.token));
  let token = 1;
  while (used.has(token)) token++;
  return token;
}

function rowWentBack(state: State, { next, name }: Step): string | undefined {
  if (name.startsWith('POSTGRESQL')) return undefined;
  return next.row.save < state.row.save || next.row.version < state.row.version ? 'ROW_WENT_BACK' : undefined;
}

/** What must hold in every state. */
export function violationOf(state: State): string | undefined {
  const { redis, row, acknowledged, database } = state;
  const { session } = redis;
  if (Math.max(session?.save ?? 0, row.save) < acknowledged) return 'LOST';
  const isResynced = redis.database === database;
  if (session && !session.isDirty && isResynced && row.save < session.save) return 'CLEAN_BUT_NOT_SYNCED';
  if (redis.events.length > (session?.isDirty ? 1 : 0)) return 'MORE_EVENTS_THAN_DIRTY';
  return undefined;
}

/** Everybody who was under way dies, and no more faults come. */
export function quiet(state: State): State {
  const left: Bounds = {
    saves: 0,
    loads: 1,
    overlaps: 0,
    evictions: 0,
    crashes: 0,
    clockJumps: 0,
    redisLosses: 0,
    redisResets: 0,
    postgresLosses: 0,
  };
  const nobody = { consumers: [idle, idle], loads: [noLoad, noLoad] } as const;
  return { ...state, ...nobody, replica: null, standby: noRow, loaded: null, saves: 0, left };
}

/** Then consumers work, the second epoch begins and the session is loaded once. */
export function violationAfterHealing(quietened: State, weakness: Weakness): string | undefined {
  let current = quietened;
  for (let i = 0; i < 60; i++) {
    const step =
      [...openSteps(current, weakness), ...watchSteps(current, weakness)][0] ??
      consumerSteps(current, 1, weakness)[0] ??
      loadSteps(current, 0, weakness)[0];
    if (!step) break;
    if (step.violation) return step.violation;
    current = step.next;
  }
  const { redis, row, acknowledged } = current;
  if (redis.session?.isDirty) return 'NEVER_SYNCED';
  if (row.save < acknowledged) return 'ROW_IS_NOT_THE_NEWEST';
  if (redis.session && redis.session.save !== row.save) return 'REDIS_AND_ROW_DISAGREE';
  return undefined;
}

export function encode(state: State): string {
  const bit = (value: boolean): number => (value ? 1 : 0);
  const ofRow = ({ save: number, version }: Row): string => `${number}v${version}`;
  const ofLease = ({ token, epoch }: Lease): string => `${token}e${epoch}`;
  const ofRedis = ({ session, events, ...one }: Redis): string =>
    [
      session
        ? `${ofRow(session)}${bit(session.isDirty)}${session.event}e${session.epoch}s${session.savedIn}`
        : '-',
      events.join(''),
      `${one.floor},${ofLease(one.lease)}${bit(one.isFirstEpoch)}${one.epoch}${one.server}${one.serverEpoch}s${one.seeded}d${one.database}`,
    ].join(',');
  const { replica, left } = state;
  return [
    ofRedis(state.redis),
    state.server,
    state.clock,
    replica ? `${ofRedis(replica.redis)}c${replica.clock}` : '-',
    ofRow(state.row),
    left.postgresLosses > 0 ? ofRow(state.standby) : '',
    state.database,
    // Which of the two it is makes no difference.
    ...state.consumers
      .map(
        ({ phase, event, winner, winsOver, isBeforeLoss, ...one }) =>
          `${phase.slice(0, 2)}${event}${ofRow(one)}w${winsOver}${bit(isBeforeLoss)}${ofRow(winner)}`,
      )
      .sort(),
    ...state.loads.map(
      ({ phase, held, heldEpoch, lease, epoch, row, floor, isBeforeLoss }) =>
        `${phase.slice(0, 4)}${ofRow(held)}e${epoch}${ofRow(row)}f${floor}t${ofLease(lease)}h${heldEpoch}${bit(isBeforeLoss)}`,
    ),
    `${state.knownEpoch}${state.lastEpoch}${state.saves}${state.acknowledged}`,
    state.loaded ? `${ofRow(state.loaded)}t${ofLease(state.loaded.lease)}` : '-',
    Object.values(left).join(''),
  ].join('|');
}
