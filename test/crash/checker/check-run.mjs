// The verdict over a run, by the checker that users have.
import { checkHistory } from '@cauce/history';

export { violationKinds as kinds } from '@cauce/history';

/** @param {import('@cauce/history').Evidence} run */
export function checkRun(run) {
  const { violations, ...verdict } = checkHistory({ ...run, startsEmpty: true });
  return { ...verdict, violations: violations.map(({ session, ...rest }) => ({ key: session, ...rest })) };
}
