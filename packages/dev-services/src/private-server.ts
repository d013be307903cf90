/** What every private server can do. All of it lives on 127.0.0.1 and in one temporary folder. */
export interface PrivateServer extends AsyncDisposable {
  /** Connect here. The same after a restart. */
  readonly url: string;
  readonly port: number;
  /** Process id of the server; of the last one while it is down. */
  readonly pid: number;
  /** Where it keeps its data. Removed by `stop()` unless the caller chose it. */
  readonly dataDir: string;
  /** False after `kill()`, `shutdown()`, `stop()`, or when the server ended by itself. */
  readonly isRunning: boolean;
  /** The end of the server's log. */
  readLog(): string;
  /** Ends the server for good and removes every file it made. May be called again. */
  stop(): Promise<void>;
  /**
   * Sends a signal. One that ends a server (all but HUP, USR1, USR2, STOP, CONT) is waited for: when
   * the promise resolves the server and its children are gone. Data stays, `restart()` may follow.
   *
   * @param signal Default `SIGKILL`.
   */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops the server where it is (SIGSTOP): connections stay open but nothing answers. */
  pause(): void;
  /** Lets a paused server go on (SIGCONT). */
  resume(): void;
  /**
   * Starts it again on the same port with the same data; shuts it down first if it runs.
   *
   * @throws ServerError `START_FAILED` or `PORT_TAKEN`; also after `stop()`.
   */
  restart(): Promise<void>;
}

/** Signals that do not end a server. */
const HARMLESS: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGSTOP', 'SIGCONT'];

/** True if a server ends on that signal. */
export function isDeadly(signal: NodeJS.Signals): boolean {
  return !HARMLESS.includes(signal);
}
