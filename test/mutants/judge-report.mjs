/** A failure that says the mutant could not even run, so that nothing was tested by it. */
const cannotRun = /SyntaxError|Error compiling script|@user_script|syntax error at or near/;

/**
 * What a run of vitest says, as its JSON reporter wrote it. Only a test that ran and failed catches a defect: a file
 * that could not be loaded, or a script or statement that is no longer one, proves nothing. Pure.
 */
export function judgeReport({ numPassedTests, testResults }, folder) {
  const failed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => ({
        test: `${name.replace(`${folder}/`, '')} › ${fullName}`,
        message: failureMessages.join('\n'),
      })),
  );
  const isRun = ({ message }) => !cannotRun.test(message);
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return {
    passed: numPassedTests,
    caughtBy: failed.find(isRun)?.test,
    /** Why nothing was tested, when nothing was. */
    unusable: [...unloaded, ...failed].find(({ message }) => message !== '')?.message,
  };
}
