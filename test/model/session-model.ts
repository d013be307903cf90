import type { Step as ModelStep } from './explore.ts';

/**
 * One session in the whole protocol, as a state machine whose every interleaving is explored. Each transition is
 * one atomic step of the real thing, named after the script or statement it stands for; hold them side by side.
 *
 * What is modelled: saves and deletes, compare-and-set, two consumers (each may sleep between any two steps and wake as
 * a zombie), takeover, crash, restores with the lease, eviction and expiry of clean sessions, the clock stepping back,
 * the stream trimmed, the group destroyed, a consumer deleted with its pending entry, the purge of a tombstone, an
 * update whose answer is lost and which is repeated with its op id, another program that writes the row, with a
 * version ahead of the clock.
 *
 * A compare-and-set is judged by what was acknowledged: what was loaded for it has to be the newest acknowledged save.
 * What Redis holds at that moment proves nothing, because a session may have been saved, synced and evicted since.
 * What is not: several sessions, parking, and either store losing a tail of what it acknowledged: see
 * failover-model.ts.
 */

/** The weakened protocols: each leaves one safeguard out, and must be caught. */
export interface Weakness {
  /** A delete removes the row instead of leaving a tombstone. */
  readonly hardDelete?: boolean;
  /** restore only asks whether the session is absent. */
  readonly noLease?: boolean;
  /** The upsert writes whatever comes. */
  readonly noVersionGuard?: boolean;
  /** A version is above the session's own and the clock only. */
  readonly noFloor?: boolean;
  /** What is reserved follows the clock alone: versions that were issued ahead of it are above the floor. */
  readonly floorTooLow?: boolean;
  /** A session that was saved while a newer row was read goes on counting from its own version. */
  readonly rowForgotten?: boolean;
  /** `q` is trusted without looking for the event, and nobody sweeps. */
  readonly booleanQueued?: boolean;
  /** The event is acknowledged when it is read, and nobody sweeps. */
  readonly ackFirst?: boolean;
  /** settle marks the session clean whatever was saved since. */
  readonly settleAlwaysCleans?: boolean;
  /** save leaves the TTL of a clean session in place. */
  readonly noPersist?: boolean;
  readonly noSweep?: boolean;
  /** sweep takes an event for live because it is in the stream. */
  readonly sweepTrustsStream?: boolean;
  /** settle does not announce a session that was saved since, and nobody sweeps. */
  readonly settleForgetsLaterSaves?: boolean;
  /** A tombstone is purged while a late write may still be under way. */
  readonly purgeEarly?: boolean;
  /** compare-and-set does not compare. */
  readonly blindCas?: boolean;
  /** compare-and-set takes a session that is not in Redis for one that never was. */
  readonly absenceUnproven?: boolean;
  /** save leaves the lease of those who found no session. */
  readonly saveKeepsLease?: boolean;
  /** An update that is repeated is applied again if Redis does not know its op id. */
  readonly repeatReloads?: boolean;
  /** take clears q, as in the first design: see docs/decisions/0001. */
  readonly takeClearsEvent?: boolean;
}

export interface Bounds {
  readonly operations: number;
  readonly evictions: number;
  readonly crashes: number;
  readonly clockSteps: number;
  /** Trims, group losses and deleted consumers together. */
  readonly streamFaults: number;
  readonly purges: number;
  /** Updates whose answer is lost; each is repeated once. */
  readonly lostAnswers: number;
  /** Rows that another program writes. */
  readonly otherWrites: number;
}

type EventState = 'new' | 'pending0' | 'pending1' | 'ghost';

interface Consumer {
  readonly phase: 'idle' | 'read' | 'taken' | 'outdated' | 'done';
  /** Id of the event it holds. */
  readonly event: number;
  /** What it took; after `done` the version that was written, 0 = none. */
  readonly version: number;
  readonly isTombstone: boolean;
}

interface Restore {
  readonly phase: 'idle' | 'missed' | 'fetched';
  /** Whether the lease is still the one this restore holds. */
  readonly holdsLease: boolean;
  readonly row: Row | null;
}

interface Row {
  readonly version: number;
  readonly isTombstone: boolean;
}

/** What a load gave for compare-and-set; version 0: there is no session. */
interface Loaded {
  readonly version: number;
  /** Whether the lease under which no session was found is still the one that is there. */
  readonly holdsLease: boolean;
}

interface Session extends Row {
  readonly isDirty: boolean;
  /** Its operations name the update that waits for an answer. That a row has them, too, is left out: here it ends as unknown. */
  readonly isOfUnanswered: boolean;
  /** Id of its event, 0 = ''. */
  readonly event: number;
  readonly hasTtl: boolean;
  /** It was saved in this epoch; not what came from a row. */
  readonly isSaved: boolean;
}

export interface State {
  readonly session: Session | null;
  /** No version above it was ever issued. Reserved ahead of the clock, so that most saves leave it as it is. */
  readonly floor: number;
  readonly clock: number;
  readonly events: readonly { readonly id: number; readonly state: EventState }[];
  readonly isIndexed: boolean;
  readonly isLeased: boolean;
  readonly row: Row | null;
  readonly consumers: readonly [Consumer, Consumer];
  readonly restore: Restore;
  /** The newest save or delete that was acknowledged. */
  readonly acknowledged: Row;
  /** The tombstone of the newest delete was purged. */
  readonly isPurged: boolean;
  /** null: nobody is at it. */
  readonly loaded: Loaded | null;
  /** What the update was made from whose answer was lost; null: there is none. */
  readonly unanswered: Loaded | null;
  /** Version of the newest row that another program wrote; 0: none. It is newer than what was saved before it is known. */
  readonly otherWrite: number;
  /** Redis was told of that row: what is saved from now on is newer. */
  readonly isOtherKnown: boolean;
  readonly left: Bounds;
}

type Step = ModelStep<State>;

const idle: Consumer = { phase: 'idle', event: 0, version: 0, isTombstone: false };
const clean = { isDirty: false, event: 0, hasTtl: true } as const;
/** What a row becomes in Redis. */
const restored = { ...clean, isOfUnanswered: false, isSaved: false } as const;
/** How far ahead of the clock versions are reserved: more than one save, less than a step of the clock. */
const RESERVE = 3;
const noRestore: Restore = { phase: 'idle', holdsLease: false, row: null };

export function initialState(bounds: Bounds): State {
  return {
    session: null,
    floor: 0,
    clock: 10,
    events: [],
    isIndexed: false,
    isLeased: false,
    row: null,
    consumers: [idle, idle],
    restore: noRestore,
    acknowledged: { version: 0, isTombstone: false },
    isPurged: false,
    loaded: null,
    unanswered: null,
    otherWrite: 0,
    isOtherKnown: false,
    left: bounds,
  };
}

/** Every step that can happen next. */
export function steps(state: State, weakness: Weakness): Step[] {
  return [
    ...clientSteps(state, weakness),
    ...restoreSteps(state, weakness),
    ...([0, 1] as const).flatMap((consumer) => consumerSteps(state, consumer, weakness)),
    ...maintenanceSteps(state, weakness),
    ...faultSteps(state, weakness),
  ].map((step) => ({ ...step, violation: step.violation ?? versionWentDown(state, step) }));
}

// save.lua
function save(state: State, isTombstone: boolean, weakness: Weakness): State {
  const { session, left } = state;
  const version = nextVersion(state, weakness);
  const isAnnounced =
    session !== null &&
    session.event !== 0 &&
    (weakness.booleanQueued || state.events.some(({ id }) => id === session.event));
  const event = isAnnounced ? session.event : newEventId(state);
  return {
    ...state,
    session: {
      version,
      isTombstone,
      isDirty: true,
      isOfUnanswered: session?.isOfUnanswered ?? false,
      event,
      hasTtl: Boolean(weakness.noPersist && session?.hasTtl),
      isSaved: true,
    },
    events: isAnnounced ? state.events : [...state.events, { id: event, state: 'new' }],
    floor: reserve(state, version, weakness),
    clock: state.clock + 1,
    isIndexed: true,
    ...(weakness.saveKeepsLease ? {} : withoutLease(state)),
    acknowledged: version > state.acknowledged.version ? { version, isTombstone } : state.acknowledged,
    isPurged: false,
    left: { ...left, operations: left.operations - 1 },
  };
}

/**
 * A session that was saved in this epoch knows its last version; any other counts from what was issued to all. So do all
 * while the floor is further ahead of the clock than saves put it: a row did.
 */
function nextVersion({ session, floor, clock }: State, weakness: Weakness): number {
  const known = session?.version ?? 0;
  const knowsItsLast = session?.isSaved && floor <= clock + RESERVE;
  const countsFromFloor = !knowsItsLast && !weakness.noFloor;
  return Math.max(clock, known + 1, countsFromFloor ? floor + 1 : 0);
}

function reserve({ floor, clock }: State, version: number, weakness: Weakness): number {
  if (weakness.floorTooLow) return Math.max(floor, clock);
  return version > floor ? Math.max(version, clock + RESERVE) : floor;
}

/** Nobody holds it any more; who asks for one gets another. */
function withoutLease({ restore, loaded, unanswered }: State): Partial<State> {
  const release = (one: Loaded | null): Loaded | null => one && { ...one, holdsLease: false };
  return {
    isLeased: false,
    restore: { ...restore, holdsLease: false },
    loaded: release(loaded),
    unanswered: release(unanswered),
  };
}

function clientSteps(state: State, weakness: Weakness): Step[] {
  const found: Step[] = [];
  const { session, left, loaded } = state;
  if (left.operations > 0) {
    found.push(acknowledge(state, 'save', save(state, false, weakness)));
    found.push(acknowledge(state, 'delete', save(state, true, weakness)));
    // What is not in Redis is loaded by a restore, which says in the end what it found.
    if (!loaded && session)
      found.push({
        name: 'load for compare-and-set',
        next: { ...state, loaded: { version: session.version, holdsLease: false } },
      });
  }
  if (loaded && left.operations > 0) {
    if (!accepts(state, loaded, weakness))
      found.push({ name: 'compare-and-set: conflict', next: { ...state, loaded: null } });
    else {
      const next = { ...save(state, false, weakness), loaded: null };
      found.push(update(state, 'compare-and-set', loaded, next));
      if (left.lostAnswers > 0 && next.session)
        found.push(
          update(state, 'compare-and-set, its answer is lost', loaded, {
            ...next,
            session: { ...next.session, isOfUnanswered: true },
            unanswered: weakness.saveKeepsLease ? loaded : { ...loaded, holdsLease: false },
            left: { ...next.left, lostAnswers: left.lostAnswers - 1 },
          }),
        );
    }
  }
  return [...found, ...repeatSteps(state, weakness)];
}

// save.lua: what it asks before it takes a compare-and-set.
function accepts({ session }: State, loaded: Loaded, weakness: Weakness): boolean {
  if (weakness.blindCas) return true;
  if (session || loaded.version !== 0) return session?.version === loaded.version;
  return loaded.holdsLease || Boolean(weakness.absenceUnproven);
}

/** By the history: whatever Redis holds, what was loaded has to be the newest save that was acknowledged. */
function update(state: State, name: string, loaded: Loaded, next: State): Step {
  const { acknowledged, isPurged, otherWrite } = state;
  const isNewest =
    loaded.version === acknowledged.version ||
    (isPurged && loaded.version === 0) ||
    (loaded.version === otherWrite && otherWrite > acknowledged.version);
  return { name, next, violation: isNewest ? undefined : 'LOST_UPDATE' };
}

// update-session.ts: the repetition of an update without an answer. A conflict leaves it unknown.
function repeatSteps(state: State, weakness: Weakness): Step[] {
  const { unanswered, session } = state;
  if (!unanswered) return [];
  const forgotten = session && { ...session, isOfUnanswered: false };
  const done = { ...state, unanswered: null, session: forgotten };
  if (session?.isOfUnanswered) return [{ name: 'repeat: replayed', next: done }];
  if (!accepts(state, unanswered, weakness) && !weakness.repeatReloads)
    return [{ name: 'repeat: unknown', next: done }];
  return [
    {
      name: 'repeat',
      next: { ...save(done, false, weakness), left: state.left },
      violation: 'APPLIED_TWICE',
    },
  ];
}

function acknowledge(state: State, name: string, next: State): Step {
  const issued = next.session?.version ?? 0;
  // A version at or below an acknowledged one loses against its row.
  if (issued <= state.acknowledged.version) return { name, next, violation: 'VERSION_REUSED' };
  const loses = state.isOtherKnown && issued <= state.otherWrite;
  return { name, next, violation: loses ? 'LOSES_TO_A_KNOWN_ROW' : undefined };
}

// lease.lua, the loader's SELECT, restore.lua
function restoreSteps(state: State, weakness: Weakness): Step[] {
  const { restore } = state;
  switch (restore.phase) {
    case 'idle':
      if (state.session) return [];
      return [
        {
          name: 'lease',
          next: { ...state, isLeased: true, restore: { ...restore, phase: 'missed', holdsLease: true } },
        },
      ];
    case 'missed':
      return [
        { name: 'select', next: { ...state, restore: { ...restore, phase: 'fetched', row: state.row } } },
      ];
    case 'fetched': {
      const done = { ...state, restore: noRestore };
      // A load that finds nothing looks whether its lease is still there; compare-and-set needs it.
      if (!state.session && !restore.row && restore.holdsLease && !state.loaded && state.left.operations > 0)
        return [
          { name: 'no row', next: { ...done, loaded: { version: 0, holdsLease: true } } },
          { name: 'restore: refused', next: done },
        ];
      const mayRestore = !state.session && restore.row && (weakness.noLease || restore.holdsLease);
      if (!mayRestore || !restore.row) return [{ name: 'restore: refused', next: done }];
      return [
        {
          name: 'restore',
          next: {
            ...done,
            session: { ...restore.row, ...restored },
            floor: Math.max(state.floor, restore.row.version),
            isOtherKnown: state.isOtherKnown || restore.row.version === state.otherWrite,
            ...withoutLease(done),
          },
        },
      ];
    }
  }
}

function consumerSteps(state: State, index: 0 | 1, weakness: Weakness): Step[] {
  const consumer = state.consumers[index];
  const name = (step: string): string => `${step} (consumer ${index})`;
  const become = (next: Consumer, changes: Partial<State> = {}): State => ({
    ...state,
    ...changes,
    consumers: index === 0 ? [next, state.consumers[1]] : [state.consumers[0], next],
  });
  const mine: EventState = index === 0 ? 'pending0' : 'pending1';

  switch (consumer.phase) {
    case 'idle':
      // XREADGROUP takes what is new; XAUTOCLAIM what is pending for the other, and for this name after a crash.
      return state.events
        .filter(({ state: eventState }) => eventState !== 'ghost')
        .map(({ id, state: eventState }) => ({
          name: name(eventState === 'new' ? 'read' : 'claim'),
          next: become(
            { ...idle, phase: 'read', event: id },
            {
              events: weakness.ackFirst
                ? state.events.filter((event) => event.id !== id)
                : state.events.map((event) => (event.id === id ? { id, state: mine } : event)),
            },
          ),
        }));
    case 'read': {
      // take.lua
      const { session } = state;
      if (!session?.isDirty)
        return [{ name: name('take: clean'), next: become({ ...consumer, phase: 'done' }) }];
      const { version, isTombstone } = session;
      const taken = become({ ...consumer, phase: 'taken', version, isTombstone });
      return [
        {
          name: name('take'),
          next:
            weakness.takeClearsEvent && session.event === consumer.event
              ? { ...taken, session: { ...session, event: 0 } }
              : taken,
        },
      ];
    }
    case 'taken': {
      // upsert-sessions.sql
      const { version, isTombstone } = consumer;
      const written = { ...consumer, phase: 'done' as const };
      const { row } = state;
      if (weakness.hardDelete && isTombstone) {
        if (row && version <= row.version) return [{ name: name('DELETE: nothing'), next: become(written) }];
        const isPurged = state.isPurged || version === state.acknowledged.version;
        return [{ name: name('DELETE'), next: become(written, { row: null, isPurged }) }];
      }
      if (!row || version > row.version || weakness.noVersionGuard) {
        return [{ name: name('upsert'), next: become(written, { row: { version, isTombstone } }) }];
      }
      const isDuplicate = row.version === version;
      return [
        {
          name: name('upsert: rejected'),
          next: become(isDuplicate ? written : { ...consumer, phase: 'outdated' }),
        },
      ];
    }
    case 'outdated': {
      // select-sessions.sql, adopt.lua
      const settled = { ...consumer, phase: 'done' as const, version: 0 };
      const { session, row } = state;
      if (!row) return [{ name: name('adopt: no row'), next: become(settled) }];
      const isOtherKnown = state.isOtherKnown || row.version === state.otherWrite;
      if (session?.version !== consumer.version) {
        // The session counts from its own version, unless the floor is so far ahead of the clock.
        const floor = Math.max(state.floor, row.version + (weakness.rowForgotten ? 0 : RESERVE));
        return [{ name: name('adopt: superseded'), next: become(settled, { floor, isOtherKnown }) }];
      }
      return [
        {
          name: name('adopt'),
          next: become(settled, {
            session: { ...row, ...restored },
            events: state.events.filter(({ id }) => id !== session.event),
            isIndexed: false,
            floor: Math.max(state.floor, row.version),
            isOtherKnown,
          }),
        },
      ];
    }
    case 'done':
      return [{ name: name('settle'), next: settle(become(idle), consumer, weakness) }];
  }
}

// settle.lua
function settle(state: State, { event, version: written }: Consumer, weakness: Weakness): State {
  const { session } = state;
  const events = state.events.filter(({ id }) => id !== event);
  if (!session?.isDirty) return { ...state, events, isIndexed: false };
  if ((session.version === written || weakness.settleAlwaysCleans) && written !== 0) {
    return {
      ...state,
      events: events.filter(({ id }) => id !== session.event),
      session: { ...session, ...clean },
      isIndexed: false,
    };
  }
  if (events.some(({ id }) => id === session.event) || weakness.settleForgetsLaterSaves)
    return { ...state, events };
  if (weakness.booleanQueued && session.event !== event) return { ...state, events };
  const id = newEventId(state);
  return { ...state, session: { ...session, event: id }, events: [...events, { id, state: 'new' }] };
}

function maintenanceSteps(state: State, weakness: Weakness): Step[] {
  const found: Step[] = [];
  const swept = sweep(state, weakness);
  if (swept !== state) found.push({ name: 'sweep', next: swept });
  const { row, left } = state;
  const isLateWriteOut =
    state.consumers.some(({ phase }) => phase === 'taken') || state.restore.phase === 'fetched';
  // purge-sessions.sql: a tombstone stays far longer than any write can be late.
  if (row?.isTombstone && left.purges > 0 && (weakness.purgeEarly || !isLateWriteOut)) {
    const isPurged = row.version === state.acknowledged.version;
    found.push({
      name: 'purge',
      next: { ...state, row: null, isPurged, left: { ...left, purges: left.purges - 1 } },
    });
  }
  return found;
}

// sweep.lua
function sweep(state: State, weakness: Weakness): State {
  const { session } = state;
  const isOff =
    weakness.noSweep || weakness.booleanQueued || weakness.ackFirst || weakness.settleForgetsLaterSaves;
  if (isOff || !state.isIndexed) return state;
  if (!session?.isDirty) return { ...state, isIndexed: false };
  const willArrive = state.events.some(
    ({ id, state: eventState }) =>
      id === session.event && (eventState !== 'ghost' || weakness.sweepTrustsStream),
  );
  if (willArrive) return state;
  const id = newEventId(state);
  const others = state.events.filter((event) => event.id !== session.event);
  return { ...state, session: { ...session, event: id }, events: [...others, { id, state: 'new' }] };
}

function faultSteps(state: State, weakness: Weakness): Step[] {
  const { session, left, events } = state;
  const found: Step[] = [];
  const fault = (name: string, bound: keyof Bounds, changes: Partial<State>): void => {
    found.push({ name, next: { ...state, ...changes, left: { ...left, [bound]: left[bound] - 1 } } });
  };
  if (left.evictions > 0 && session && (!session.isDirty || session.hasTtl)) {
    fault('evict or expire', 'evictions', { session: null });
  }
  if (state.isLeased) {
    found.push({ name: 'lease expires', next: { ...state, ...withoutLease(state) } });
  }
  // Less ahead than versions are reserved. Not whole, because two programs do not give the same version.
  const other = state.clock + RESERVE - 0.5;
  if (left.otherWrites > 0 && other > (state.row?.version ?? 0)) {
    fault('another program writes', 'otherWrites', {
      row: { version: other, isTombstone: false },
      otherWrite: other,
      isOtherKnown: false,
    });
  }
  if (left.clockSteps > 0) fault('clock steps back', 'clockSteps', { clock: state.clock - 8 });
  if (left.crashes > 0) {
    if (state.consumers[0].phase !== 'idle')
      fault('crash (consumer 0)', 'crashes', { consumers: [idle, state.consumers[1]] });
    if (state.consumers[1].phase !== 'idle')
      fault('crash (consumer 1)', 'crashes', { consumers: [state.consumers[0], idle] });
  }
  if (left.streamFaults > 0 && events.length > 0) {
    fault('stream trimmed', 'streamFaults', { events: [] });
    fault('group destroyed, created at 0', 'streamFaults', {
      events: events.map(({ id }) => ({ id, state: 'new' as const })),
    });
    if (events.some(({ state: eventState }) => eventState === 'pending0') && !weakness.ackFirst) {
      fault('DELCONSUMER 0', 'streamFaults', {
        events: events.map((event) =>
          event.state === 'pending0' ? { ...event, state: 'ghost' as const } : event,
        ),
      });
    }
  }
  return found;
}

function newEventId({ session, events, consumers }: State): number {
  const used = new Set([
    session?.event ?? 0,
    ...events.map(({ id }) => id),
    ...consumers.map(({ event }) => event),
  ]);
  let id = 1;
  while (used.has(id)) id++;
  return id;
}

function versionWentDown(state: State, { next, name }: Step): string | undefined {
  if (name === 'purge' || name.startsWith('DELETE') || !state.row) return undefined;
  return !next.row || next.row.version < state.row.version ? 'ROW_WENT_BACK' : undefined;
}

/** What must hold in every state. */
export function violationOf(state: State): string | undefined {
  const { session, row, acknowledged, isPurged, otherWrite } = state;
  if (acknowledged.version === 0) return undefined;
  const rowVersion = row?.version ?? (isPurged ? acknowledged.version : 0);
  if (session && session.version < acknowledged.version) return 'STALE_HIT';
  const isSettled = !session?.isDirty;
  const isDeleted = acknowledged.isTombstone && acknowledged.version > otherWrite;
  if (isSettled && isDeleted && row && !row.isTombstone) return 'RESURRECTED';
  if (!session && rowVersion < acknowledged.version) return 'LOST';
  if (session && !session.isDirty && rowVersion < session.version) return 'CLEAN_BUT_NOT_SYNCED';
  if (state.events.length > (session?.isDirty ? 1 : 0)) return 'MORE_EVENTS_THAN_DIRTY';
  return undefined;
}

const nothing: Bounds = {
  operations: 0,
  evictions: 0,
  crashes: 0,
  clockSteps: 0,
  streamFaults: 0,
  purges: 0,
  lostAnswers: 0,
  otherWrites: 0,
};

/** Every consumer, client and restore dies, and no more faults come. */
export function quiet(state: State): State {
  const session = state.session && { ...state.session, isOfUnanswered: false };
  const nobody = { consumers: [idle, idle], restore: noRestore, loaded: null, unanswered: null } as const;
  return { ...state, ...nobody, session, left: nothing };
}

/** Then one consumer works: what must hold once it has nothing left to do. */
export function violationAfterHealing(quietened: State, weakness: Weakness): string | undefined {
  let current = quietened;
  for (let i = 0; i < 20; i++) {
    const next = sweep(current, weakness);
    const step = consumerSteps(next, 1, weakness)[0];
    if (!step) {
      if (next === current) break;
      current = next;
    } else current = step.next;
  }
  const { session, row, acknowledged, isPurged, otherWrite } = current;
  if (session?.isDirty) return 'NEVER_SYNCED';
  if (acknowledged.version === 0) return undefined;
  if (otherWrite > acknowledged.version)
    return row?.version === otherWrite ? undefined : 'ROW_IS_NOT_THE_NEWEST';
  if (acknowledged.isTombstone) return row && !row.isTombstone ? 'RESURRECTED' : undefined;
  if (isPurged) return undefined;
  return row?.version !== acknowledged.version ? 'ROW_IS_NOT_THE_NEWEST' : undefined;
}

export function encode(state: State): string {
  const { session, row, restore, acknowledged, left } = state;
  const bit = (value: boolean): number => (value ? 1 : 0);
  const ofRow = (one: { version: number; isTombstone: boolean } | null): string =>
    one ? `${one.version}${one.isTombstone ? 't' : 's'}` : '-';
  const ofLoaded = (one: Loaded | null): string => (one ? `${one.version}${bit(one.holdsLease)}` : '-');
  return [
    session
      ? `${ofRow(session)}${bit(session.isDirty)}${session.event}${bit(session.hasTtl)}${bit(session.isOfUnanswered)}${bit(session.isSaved)}`
      : '-',
    state.floor,
    state.clock,
    state.events.map(({ id, state: eventState }) => `${id}${eventState.at(-1)}`).join(''),
    `${bit(state.isIndexed)}${bit(state.isLeased)}${bit(state.isPurged)}`,
    ofRow(row),
    ...state.consumers.map(
      ({ phase, event, version, isTombstone }) =>
        `${phase[0]}${phase[1]}${event}v${version}${bit(isTombstone)}`,
    ),
    `${restore.phase[0]}${bit(restore.holdsLease)}${ofRow(restore.row)}`,
    ofRow(acknowledged),
    ofLoaded(state.loaded),
    ofLoaded(state.unanswered),
    `${state.otherWrite}${bit(state.isOtherKnown)}`,
    `${left.operations}${left.evictions}${left.crashes}${left.clockSteps}${left.streamFaults}${left.purges}${left.lostAnswers}${left.otherWrites}`,
  ].join('|');
}
