// Versions of acknowledged writes: distinct, and a write that began after another one was acknowledged is newer.
import type { Write } from '../call.ts';
import { latest } from './latest.ts';
import type { SessionHistory } from './session-history.ts';
import type { Report } from './violation.ts';

export function checkOrder({ acknowledged, writes }: SessionHistory, skewUs: number, report: Report): void {
  for (const [i, call] of acknowledged.entries()) {
    const before = acknowledged[i - 1];
    if (before?.version === call.version)
      report('disordered', 'two writes have one version', { before, call });
  }
  const byStart = [...acknowledged].sort((a, b) => a.startUs - b.startUs);
  const newestBefore = latest(acknowledged, skewUs);
  for (const call of byStart) {
    const before = newestBefore(call.startUs);
    // The answer to a repetition is older than the repetition.
    if (before && call.version < before.version && !call.isReplay) {
      report('disordered', 'a later write got an older version', { before, call });
    }
  }
  checkReplays(acknowledged, writes, report);
}

/** A replay has the answer that an earlier copy of the operation got, or would have got. */
function checkReplays(
  acknowledged: readonly Write[],
  writes: SessionHistory['writes'],
  report: Report,
): void {
  for (const call of acknowledged.filter(({ isReplay }) => isReplay)) {
    const others = writes.filter(
      (other) => other !== call && other.opId === call.opId && other.outcome !== 'fail',
    );
    const mayHaveHeard = (other: SessionHistory['writes'][number]): boolean =>
      other.outcome === 'unknown' || other.version === call.version;
    if (others.length > 0 && !others.some(mayHaveHeard)) {
      report('wrong', 'an op id was answered with two versions', { call });
    }
  }
}
