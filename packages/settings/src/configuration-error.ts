import { InvalidOptionError } from '@cauce/protocol';
import type { SettingProblem } from './setting.ts';

/** Settings are wrong; every one is named, with secrets masked. Code `INVALID_OPTION`, not retryable. */
export class ConfigurationError extends InvalidOptionError {
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    super(problems.map(({ name, message }) => `${name} ${message}`).join('\n'));
    this.problems = problems;
  }
}
