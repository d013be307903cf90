import type { Consumer, Redis, Row, Session, State, Step } from './state.ts';
import { idleConsumer, isDirectMode, RESERVE, replaced } from './state.ts';
import type { Weakness } from './weakness.ts';

/** Dirty since an earlier Redis period: after a forced way back, or brought back by a Redis that lost its tail. */
export function isLeftover({ session, periodEpoch }: Redis, weakness: Weakness): boolean {
  const savedIn = session?.isDirty ? session.savedIn : 0;
  const isOfEarlierPeriod = savedIn > 0 && savedIn < periodEpoch;
  return isOfEarlierPeriod && !weakness.periodEpochIgnored;
}

/**
 * It was carried before the seal, unless the way back was forced: then it wins only over a row that nobody wrote
 * directly since. If it is newer than a row that was sealed, PostgreSQL lost that.
 */
export function leftoverWins(version: number, row: Row, forcedFloor: number): boolean {
  return version > row.version && (forcedFloor === 0 || row.version <= forcedFloor);
}

export const fromRow = (row: Row, confirmedIn = 0): Session => ({
  ...row,
  isDirty: false,
  savedIn: 0,
  confirmedIn,
});

export function consumerSteps(state: State, index: number, weakness: Weakness): Step[] {
  const consumer = state.consumers[index] as Consumer;
  const { redis, postgres } = state;
  const { session } = redis;
  const become = (step: string, next: Partial<Consumer>, changes: Partial<State> = {}): Step[] => {
    const consumers = replaced(state.consumers, index, { ...idleConsumer, ...next });
    return [{ name: `${step} (consumer ${index})`, next: { ...state, ...changes, consumers } }];
  };
  const { save, version, period, row } = consumer;
  // The condition of upsert-sessions.sql.
  const isFenced =
    (isDirectMode(postgres.mode) || (period !== postgres.period && !weakness.periodIgnored)) &&
    !weakness.upsertsIgnoreMode;

  switch (consumer.phase) {
    case 'idle': {
      // take.lua
      if (!session?.isDirty) return [];
      const taken = { save: session.save, version: session.version, period: redis.period };
      if (isLeftover(redis, weakness)) return become('take: leftover', { ...taken, phase: 'leftover' });
      const winsOver = session.savedIn >= redis.serverEpoch ? redis.seeded : 0;
      return become(`take of ${session.save}`, { ...taken, phase: 'taken', winsOver });
    }
    case 'taken': {
      // upsert-sessions.sql
      if (isFenced) return become('upsert: fenced', {});
      if (version > postgres.row.version)
        return become(
          `upsert of ${save}`,
          { phase: 'done', version },
          { postgres: { ...postgres, row: { save, version } } },
        );
      return become('upsert: rejected', { ...consumer, phase: 'outdated' });
    }
    case 'outdated':
      // select-sessions.sql
      if (postgres.row.version === version) return become('duplicate', { phase: 'done', version });
      if (postgres.row.version < version) return become('postponed', {});
      return become('compare', { ...consumer, phase: 'compared', row: postgres.row });
    case 'compared':
      if (row.version <= consumer.winsOver)
        return become('reissue', {}, { redis: reissued(state, version, row) });
      return become('adopt', {}, { redis: adopted(redis, version, row) });
    case 'done':
      // settle.lua
      return become('settle', {}, { redis: settled(redis, version) });
    case 'leftover': {
      // Under the fence, too.
      if (isFenced || !state.isVerified) return become('leftover: fenced', {});
      const { forcedFloor } = postgres;
      const compared = { ...consumer, row: postgres.row, forcedFloor };
      return become('leftover: compare', { ...compared, phase: 'leftover compared' });
    }
    case 'leftover compared': {
      const isStill = session?.version === version && isLeftover(redis, weakness);
      const resolved = isStill ? resolvedLeftover(state, row, consumer.forcedFloor) : redis;
      return become('leftover: resolve', {}, { redis: resolved });
    }
  }
}

function settled(redis: Redis, written: number): Redis {
  const { session } = redis;
  if (session?.isDirty && session.version === written)
    return { ...redis, session: { ...session, isDirty: false } };
  if (session && !session.isDirty && session.version < written) return { ...redis, session: null };
  return redis;
}

// adopt.lua
function adopted(redis: Redis, losing: number, row: Row): Redis {
  if (redis.session?.version !== losing)
    return { ...redis, floor: Math.max(redis.floor, row.version + RESERVE) };
  return { ...redis, session: fromRow(row), floor: Math.max(redis.floor, row.version) };
}

// reissue.lua
function reissued({ redis, redisClock }: State, expected: number, row: Row): Redis {
  const { session } = redis;
  const isStill = session?.isDirty && session.version === expected && redis.mode !== 'void';
  if (!isStill || session.savedIn < redis.serverEpoch || row.version > redis.seeded) return redis;
  const version = Math.max(expected + 1, redis.floor + 1, row.version + 1, redisClock);
  return { ...redis, session: { ...session, version }, floor: version };
}

/** A leftover that wins is a save of the present epoch, above its row; another one is archived, and the row adopted. */
export function resolvedLeftover({ redis, redisClock }: State, row: Row, forcedFloor: number): Redis {
  const { session } = redis;
  if (!session) return redis;
  if (leftoverWins(session.version, row, forcedFloor)) {
    const version = Math.max(session.version + 1, redis.floor + 1, row.version + 1, redisClock);
    return { ...redis, session: { ...session, version, savedIn: redis.epoch }, floor: version };
  }
  return { ...redis, session: fromRow(row), floor: Math.max(redis.floor, row.version) };
}
