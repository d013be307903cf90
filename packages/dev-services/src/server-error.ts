/**
 * Why a private server could not be used.
 *
 * - `SERVER_MISSING`: no binaries on this machine, and none could be installed.
 * - `SERVER_UNSUPPORTED`: this platform or user cannot run the server.
 * - `START_FAILED`: the server ended, or did not answer in time. The message ends with its log.
 * - `PORT_TAKEN`: somebody else listens on the port that was asked for.
 * - `STOP_FAILED`: a process or a folder is still there after everything was tried.
 * - `COMMAND_FAILED`: a program that prepares a server (initdb, npm, apt-get) failed.
 */
export type ServerErrorCode =
  | 'SERVER_MISSING'
  | 'SERVER_UNSUPPORTED'
  | 'START_FAILED'
  | 'PORT_TAKEN'
  | 'STOP_FAILED'
  | 'COMMAND_FAILED';

/** The only error this package throws on purpose. The message says what, why, and what to do. */
export class ServerError extends Error {
  override readonly name: string = 'ServerError';
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
