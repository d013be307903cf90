/** Exit codes of the process; documented in `cauce --help` and for each command. */
export const exitCodes = {
  ok: 0,
  /** The command could not do its work. */
  failure: 1,
  /** Wrong flags, arguments or settings. */
  usage: 2,
  /** The command worked, and found a problem. */
  problem: 3,
  /** Redis or PostgreSQL cannot be reached. */
  unreachable: 4,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
