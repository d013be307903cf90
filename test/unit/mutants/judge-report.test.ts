import { expect, it } from 'vitest';
import { judgeReport, type TestReport, type Verdict } from '../../mutants/judge-report.ts';

type Assertion = TestReport['testResults'][number]['assertionResults'][number];

function verdictOn(assertionResults: readonly Assertion[], message = ''): Verdict {
  const isFailed = assertionResults.some((one) => one.status === 'failed') || message !== '';
  const status = isFailed ? ('failed' as const) : ('passed' as const);
  const testResults = [{ name: '/copy/test/a.test.ts', status, message, assertionResults }];
  return judgeReport({ numPassedTests: 0, testResults }, '/copy');
}

const failing = (message: string): Assertion => ({
  fullName: 'a promise holds',
  status: 'failed',
  failureMessages: [message],
});

it('a test that ran and failed catches, and is named', () => {
  expect(verdictOn([failing('AssertionError: expected 1 to be 2')]).caughtBy).toBe(
    'test/a.test.ts › a promise holds',
  );
  expect(verdictOn([failing('Error: Test timed out in 5000ms.')]).caughtBy).toBeDefined();
});

it('a file that cannot be loaded catches nothing', () => {
  const verdict = verdictOn([], 'Cannot find module ./x.ts');
  expect(verdict).toMatchObject({ caughtBy: undefined, unusable: 'Cannot find module ./x.ts' });
});

it.each([
  "ReplyError: ERR Error compiling script (new function): user_script:7: '=' expected",
  'ReplyError: ERR user_script:9: attempt to index a nil value script: 4b1, on @user_script:9.',
  'error: syntax error at or near "WHERE"',
  'SyntaxError: Unexpected token',
  'ReferenceError: nothing is not defined',
])('a mutant that cannot even run is not caught: %s', (message) => {
  expect(verdictOn([failing(message)])).toMatchObject({ caughtBy: undefined, unusable: message });
});

it('nothing failed, nothing caught', () => {
  expect(verdictOn([{ fullName: 'ok', status: 'passed', failureMessages: [] }]).caughtBy).toBeUndefined();
});
