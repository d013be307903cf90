/** Environment variables by name. Everything here takes them as a value, so that tests can pass their own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process: the default wherever an `env` option is left out. */
export function currentEnvironment(): Environment {
  return process.env;
}
