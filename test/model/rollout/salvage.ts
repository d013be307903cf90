import { leftoverWins } from './consumers.ts';
import { isOpen, isServing, noSalvage, type Salvage, type State, type Step } from './state.ts';
import type { Weakness } from './weakness.ts';

/** In direct mode, what a forced way back left dirty in Redis goes to its row, or to the archive. */
export function salvageSteps(state: State, weakness: Weakness): Step[] {
  const { salvage, redis, postgres } = state;
  const { session } = redis;
  const become = (name: string, next: Salvage, changes: Partial<State> = {}): Step[] => [
    { name: `salvage: ${name}`, next: { ...state, ...changes, salvage: next } },
  ];
  switch (salvage.phase) {
    case 'idle': {
      const isClosed = redis.mode !== 'void' && !isOpen(state) && !isServing(state);
      const isTold = state.forcedTerm === 0;
      if (postgres.mode !== 'direct' || !isClosed || !isTold || !session?.isDirty) return [];
      const { save, version } = session;
      return become('read', { phase: 'read', held: { save, version }, epoch: redis.epoch });
    }
    case 'read': {
      const { held } = salvage;
      const { row, forcedFloor } = postgres;
      if (postgres.mode !== 'direct' || !state.isVerified) return become('fenced', noSalvage);
      const isNewer = weakness.salvageComparesVersions && held.version > row.version;
      if (leftoverWins(held.version, row, forcedFloor) || isNewer || weakness.salvageOverwrites)
        return become(
          `write ${held.save}`,
          { ...salvage, phase: 'written' },
          { postgres: { ...postgres, row: held } },
        );
      // Carried before the seal; Redis went back to it.
      const isCarried = held.version <= row.version && (forcedFloor === 0 || weakness.salvageSettlesLosers);
      if (isCarried) return become('the row is as new', { ...salvage, phase: 'written' });
      return become('archive', { ...salvage, phase: 'lost' });
    }
    case 'written':
    case 'lost': {
      const isStill = session?.isDirty && session.version === salvage.held.version;
      const isOfEpoch = redis.epoch === salvage.epoch || weakness.salvageIgnoresEpoch;
      if (!isStill || !isOfEpoch) return become('superseded', noSalvage);
      // Settled, not removed: should PostgreSQL lose that commit, the copy is what recovery finds. Not so what lost: it
      // may have the version of its row and another state.
      const isSettled = salvage.phase === 'written' && !weakness.salvageRemovesWritten;
      const left = isSettled ? { ...session, isDirty: false } : null;
      return become(isSettled ? 'settle' : 'remove', noSalvage, { redis: { ...redis, session: left } });
    }
  }
}
