import { fromRow, isLeftover, leftoverWins } from './consumers.ts';
import type { Lease, Load, Redis, Row, State, Step } from './state.ts';
import { isDirectMode, isServing, noLease, noLoad, spend } from './state.ts';
import type { Weakness } from './weakness.ts';

/** A load begins where its process believes the session to be, and goes to and fro until one of the stores vouches. */
export function loadSteps(state: State, index: 0 | 1, weakness: Weakness): Step[] {
  const load = state.loads[index];
  const { redis, postgres, left } = state;
  const { session } = redis;
  const become = (step: string, next: Load, changes: Partial<State> = {}): Step => {
    const loads = index === 0 ? ([next, state.loads[1]] as const) : ([state.loads[0], next] as const);
    return { name: `${step} (load ${index})`, next: { ...state, ...changes, loads } };
  };
  const go = (phase: Load['phase'], more: Partial<Load> = {}): Load => ({
    ...noLoad,
    ...{ phase, floor: load.floor, isExempt: load.isExempt },
    ...more,
  });
  const give = (step: string, given: Row, from: Partial<Given> = {}): Step => {
    const isExempt = state.forcedTerm > 0 || load.isExempt;
    const { epoch = 0, lease = noLease, redis: changed = redis } = from;
    const isKept = left.compareAndSets > 0 && left.saves > 0 && !isExempt;
    const loaded = isKept ? { ...given, epoch, lease } : state.loaded;
    return {
      ...become(`${step}, gives ${given.save}`, noLoad, { loaded, redis: changed }),
      violation: given.save < load.floor && !isExempt ? 'STALE_LOAD' : undefined,
    };
  };
  const inRedis = (step: string): Step => {
    const { epoch } = redis;
    if (!session) return become(`${step}: miss`, go('missed'));
    const isTrusted = session.savedIn === epoch || session.confirmedIn === epoch;
    if (isTrusted && !isLeftover(redis, weakness)) return give(step, session, { epoch });
    return become(`${step}: doubted`, go('doubted', { held: rowOf(session), epoch }));
  };
  const closed = (step: string): Step =>
    become(`${step}: closed`, go('at PostgreSQL', { sealedAt: redis.mode === 'sealed' ? redis.term : 0 }));

  switch (load.phase) {
    case 'idle': {
      const isOverlap = state.loads[1 - index]?.phase !== 'idle';
      if (left.loads === 0 || (isOverlap ? left.overlaps === 0 : index !== 0)) return [];
      const begun = { floor: state.acknowledged, isExempt: state.forcedTerm > 0 };
      const spent = spend(left, 'loads', ...(isOverlap ? (['overlaps'] as const) : []));
      return (['at Redis', 'at PostgreSQL'] as const).map((phase) =>
        become(`load, ${phase}`, go(phase, begun), { left: spent }),
      );
    }
    case 'at Redis':
      if (isServing(state) || (weakness.loadsIgnoreRedisMode && redis.mode !== 'void'))
        return [inRedis('read Redis')];
      return [closed('read Redis')];
    case 'at PostgreSQL': {
      const { mode, term, row } = postgres;
      if (!state.isVerified) return [become('read PostgreSQL: not verified', go('at Redis'))];
      if (isDirectMode(mode) || weakness.loadsIgnorePostgresMode) return [give('read PostgreSQL', row)];
      const isSealed = mode === 'to_direct' && load.sealedAt === term;
      if (isSealed || (mode === 'to_direct' && weakness.loadsTrustMovingRow))
        return [give('read PostgreSQL: sealed', row)];
      if (mode === 'redis') return [become('read PostgreSQL: redis', go('at Redis again', { row, term }))];
      return [become('read PostgreSQL: moving', go('at Redis'))];
    }
    case 'at Redis again': {
      if (isServing(state)) return [inRedis('read Redis again')];
      const wasSealed = redis.mode === 'sealed' && weakness.sealMeansNotOpened;
      const isClosed = redis.mode === 'direct' || redis.mode === 'to_redis' || wasSealed;
      const isNotOpenedYet = isClosed && redis.term < load.term;
      if (isNotOpenedYet || (weakness.loadsTrustMovingRow && redis.mode !== 'void'))
        return [give('read Redis again: not opened yet', load.row)];
      return [closed('read Redis again')];
    }
    case 'missed': {
      // lease.lua
      if (session) return [become('lease: hit', go('at Redis'))];
      // That of whoever asked before in this epoch is shared.
      const { epoch, lease: held } = redis;
      const isShared = held.token !== 0 && held.epoch === epoch;
      const lease = isShared ? held : { token: newToken(state), epoch };
      return [become('lease', go('leased', { lease }), { redis: { ...redis, lease } })];
    }
    case 'leased':
      return [become('select', { ...load, phase: 'fetched', row: postgres.row })];
    case 'fetched': {
      // restore.lua
      const { row, lease } = load;
      if (session || (!isSameLease(redis.lease, lease) && !weakness.noLease))
        return [become('restore: refused', go('at Redis'))];
      if (row.save === 0) return [give('no row', row, { lease })];
      const restored = fromRow(row, weakness.restoreTrusts ? redis.epoch : lease.epoch);
      const floor = Math.max(redis.floor, row.version);
      const changed = { ...redis, session: restored, floor, lease: noLease };
      return [give('restore', row, { redis: changed, epoch: lease.epoch })];
    }
    case 'doubted': {
      const { forcedFloor, row } = postgres;
      return [become('select to confirm', { ...load, phase: 'compared', row, forcedFloor })];
    }
    case 'compared': {
      // confirm.lua
      const { held, row, epoch } = load;
      if (session?.version !== held.version || redis.epoch !== epoch)
        return [become('confirm: superseded', go('at Redis'))];
      const raised = { ...redis, floor: Math.max(redis.floor, row.version) };
      if (isLeftover(redis, weakness)) {
        const wins = leftoverWins(held.version, row, load.forcedFloor);
        return [give('confirm: leftover', wins ? held : row, { redis: raised, epoch })];
      }
      const isSavedSince =
        session.isDirty && session.savedIn >= redis.serverEpoch && row.version <= redis.seeded;
      if (row.version <= held.version || isSavedSince) {
        const confirmed = { ...raised, session: { ...session, confirmedIn: epoch } };
        return [give('confirm', held, { redis: confirmed, epoch })];
      }
      if (session.isDirty) return [give('confirm: outdated', row, { redis: raised, epoch })];
      return [give('confirm: adopted', row, { redis: { ...raised, session: fromRow(row, epoch) }, epoch })];
    }
  }
}

interface Given {
  readonly redis: Redis;
  /** Under which it was loaded. */
  readonly epoch: number;
  readonly lease: Lease;
}

const rowOf = ({ save, version }: Row): Row => ({ save, version });

const isSameLease = (one: Lease, other: Lease): boolean =>
  one.token === other.token && one.epoch === other.epoch;

/** A token is random: it is nobody else's, in Redis, in what it may go back to, or in a client's hands. */
function newToken({ redis, replica, loads, loaded }: State): number {
  const leases = [redis.lease, replica?.lease, ...loads.map(({ lease }) => lease), loaded?.lease];
  const used = new Set(leases.map((lease) => lease?.token));
  let token = 1;
  while (used.has(token)) token++;
  return token;
}
