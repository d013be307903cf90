import { fromRow, leftoverWins } from './consumers.ts';
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
      return become('read', { ...noSalvage, phase: 'read', held: { save, version }, epoch: redis.epoch });
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
          {
            postgres: { ...postgres, row: held },
            // It is reported as merged: from now on it is promised.
            acknowledged: Math.max(state.acknowledged, held.save),
            atRisk: state.atRisk.filter((save) => save !== held.save),
          },
        );
      return become('archive', { ...salvage, phase: 'lost', row });
    }
    case 'written':
    case 'lost': {
      const isStill = session?.isDirty && session.version === salvage.held.version;
      const isOfEpoch = redis.epoch === salvage.epoch || weakness.salvageIgnoresEpoch;
      if (!isStill || !isOfEpoch) return become('superseded', noSalvage);
      // Not removed: should PostgreSQL lose that commit, or the row, the copy is what recovery finds.
      const isKept = salvage.phase === 'written' || weakness.salvageSettlesLosers;
      const isRemoved =
        salvage.phase === 'written' ? weakness.salvageRemovesWritten : weakness.salvageRemovesLosers;
      const left = isKept ? { ...session, isDirty: false } : fromRow(salvage.row);
      const name = salvage.phase === 'written' ? 'settle' : 'adopt';
      return become(name, noSalvage, { redis: { ...redis, session: isRemoved ? null : left } });
    }
  }
}
