import { clientSettings } from '@cauce/session-client';
import { type Environment, readSettings as read, type ValuesOf } from '@cauce/settings';
import { passSettingProblems, syncSettings } from '@cauce/sync-consumer';

/** What the demo passes on to the bot and to the consumer that it starts, and so reads itself. */
const demoSettings = { ...clientSettings, ...syncSettings } as const;

const program = { table: demoSettings, problemsOf: passSettingProblems };

/** @throws ConfigurationError with all problems at once */
export function readSettings(env: Environment): ValuesOf<typeof demoSettings> {
  return read(program, env);
}

/** The environment without the settings of Cauce, so that only what is given here counts. */
export function withoutSettings(env: Environment): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !(name in demoSettings)));
}
