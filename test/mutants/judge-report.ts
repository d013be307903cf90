/** What is used of the report that vitest's JSON reporter writes. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly testResults: readonly TestFile[];
}

interface TestFile {
  readonly name: string;
  readonly status: 'passed' | 'failed';
  /** Why the file could not be loaded. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo';
    readonly failureMessages: readonly string[];
  }[];
}

export interface Verdict {
  readonly passed: number;
  /** The test that ran and failed. */
  readonly caughtBy: string | undefined;
  /** Why nothing was tested, when nothing was. */
  readonly unusable: string | undefined;
}

/** A failure that says the mutant could not even run, so that nothing was tested by it. */
const cannotRun = /SyntaxError|ReferenceError|Error compiling script|@user_script|syntax error at or near/;

/**
 * What a run of vitest says, as its JSON reporter wrote it. Only a test that ran and failed catches a defect: a file
 * that could not be loaded, or a script or statement that is no longer one, proves nothing. Pure.
 */
export function judgeReport({ numPassedTests, testResults }: TestReport, folder: string): Verdict {
  const failed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => ({
        test: `${name.replace(`${folder}/`, '')} › ${fullName}`,
        message: failureMessages.join('\n'),
      })),
  );
  const isRun = ({ message }: { readonly message: string }): boolean => !cannotRun.test(message);
  const unloaded = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  return {
    passed: numPassedTests,
    caughtBy: failed.find(isRun)?.test,
    unusable: [...unloaded, ...failed].find(({ message }) => message !== '')?.message,
  };
}
