import { consumerSteps } from './rollout/consumers.ts';
import { loadSteps } from './rollout/loads.ts';
import { faultSteps, recoverySteps, resyncSteps } from './rollout/losses.ts';
import { salvageSteps } from './rollout/salvage.ts';
import { saveSteps } from './rollout/saves.ts';
import type { State, Step } from './rollout/state.ts';
import { evidenceSteps, installSteps, switchSteps } from './rollout/switches.ts';
import type { Weakness } from './rollout/weakness.ts';

/**
 * One session of one partition while the partition moves between direct saves into PostgreSQL and saves into Redis, and
 * back. Each transition is one atomic step of one store, named after the script or statement it stands for.
 *
 * What is modelled: `session_mode` (mode, term, period, floor) and its copy `meta.mode` (mode, term, period,
 * periodEpoch), which has two modes more: `sealed`, in which PostgreSQL may open, and `void`, in which a Redis that may
 * have lost a switch waits for PostgreSQL's answer. Saves by anybody at any time, either way, so the fences alone keep
 * stale processes away; compare-and-set over what was loaded either way; two consumers that may sleep between any two
 * steps; loads that begin in either store, with confirm, lease and restore; installers that may sleep between seeing
 * Redis, reading PostgreSQL and installing; operators that hold what they saw and act late; switches, aborts, forced
 * ways back, and the salvage of what these left over; eviction; Redis losing its tail or everything; PostgreSQL losing
 * its tail, and the recovery after it; the one clock ahead of the other, or behind it. A save is known by its number, the
 * order in which saves were acknowledged. A delete is a save, so a stale load includes a session that comes back.
 * What is not: several sessions or scopes, and pilot tenants; events (see session-model.ts: here a dirty session can be
 * taken) and parking (a drain that never ends is an abort); the purge; the mirror in the user's own table; op ids; the
 * second epoch, a former primary that goes on, and a settle or a load later than the second resync (see
 * failover-model.ts); a session that leaves Redis between PostgreSQL's loss and the resync; processes that do not know
 * of the rollout and open an empty Redis first.
 */
export { encode } from './rollout/encode.ts';
export { quiet, violationAfterHealing, violationOf } from './rollout/rest.ts';
export { initialState } from './rollout/state.ts';

/** Every step that can happen next. */
export function steps(state: State, weakness: Weakness): Step[] {
  const found = [
    ...saveSteps(state, weakness),
    ...state.consumers.flatMap((_, index) => consumerSteps(state, index, weakness)),
    ...state.installers.flatMap((_, index) => installSteps(state, index, weakness)),
    ...evidenceSteps(state, weakness),
    ...switchSteps(state, weakness),
    ...salvageSteps(state, weakness),
    ...faultSteps(state, weakness),
    ...recoverySteps(state, weakness),
    ...resyncSteps(state, weakness),
    ...loadSteps(state, 0, weakness),
    ...loadSteps(state, 1, weakness),
  ];
  return found.map((step) => (rowWentBack(state, step) ? { ...step, violation: 'ROW_WENT_BACK' } : step));
}

function rowWentBack({ postgres }: State, { next, name }: Step): boolean {
  return next.postgres.row.version < postgres.row.version && !name.startsWith('POSTGRESQL');
}
