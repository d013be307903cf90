// The verdict over a run, by the checker that users have.
import { checkHistory, type Evidence, type Verdict, type Violation } from '@cauce/history';

export { violationKinds as kinds } from '@cauce/history';

export interface RunVerdict extends Omit<Verdict, 'violations'> {
  readonly violations: readonly (Omit<Violation, 'session'> & { readonly key: string })[];
}

export function checkRun(run: Evidence): RunVerdict {
  const { violations, ...verdict } = checkHistory({ ...run, startsEmpty: true });
  return { ...verdict, violations: violations.map(({ session, ...rest }) => ({ key: session, ...rest })) };
}
