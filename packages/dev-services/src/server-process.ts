/**
 * One server process that can be ended and started again in the same place, with a log of its own.
 *
 * "Ended" always means the whole family: a PostgreSQL postmaster leaves its backends behind for a
 * moment when it is killed, and a new one must not start before they are gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { pollUntil } from './poll-until.ts';
import type { ProcessGuard } from './process-guard.ts';
import { childrenOf, isRunning, sendSignal } from './process-tree.ts';
import { lastLines } from './run-command.ts';
import { messageOf, ServerError } from './server-error.ts';
import type { SystemUser } from './unprivileged-user.ts';

export interface ServerCommand {
  /** How errors call it: `Redis`, `PostgreSQL`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
  readonly user?: SystemUser | undefined;
  /** Looks whether the process with this id serves. */
  readonly isReady: (pid: number) => boolean | Promise<boolean>;
  readonly startTimeoutMs: number;
}

/** Children get this long to notice that their parent is gone; then they are killed. */
const ORPHAN_GRACE_MS = 5_000;

export class ServerProcess {
  readonly #command: ServerCommand;
  readonly #guard: ProcessGuard;
  #child: ChildProcess | undefined;
  #lastPid = 0;
  #paused: number[] = [];

  constructor(command: ServerCommand, guard: ProcessGuard) {
    this.#command = command;
    this.#guard = guard;
  }

  /** The id of the running process, or of the last one that ran; 0 before the first. */
  get pid(): number {
    return this.#lastPid;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /**
   * Starts the process and returns when it serves.
   *
   * @throws ServerError `START_FAILED` or `PORT_TAKEN`, with the end of the log. Nothing runs then.
   */
  async start(): Promise<void> {
    const { name, startTimeoutMs, logFile, isReady } = this.#command;
    if (this.isRunning) return;
    const logOffset = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    const child = this.#spawn();
    let failure: string | undefined;
    child.once('error', (error) => {
      failure = error.message;
    });
    child.once('exit', (code, signal) => {
      failure ??= signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`;
      if (this.#child === child) this.#guard.watch([]);
    });
    const settled = await pollUntil(
      async () => failure !== undefined || (child.pid !== undefined && (await isReady(child.pid))),
      startTimeoutMs,
    ).catch((error: unknown) => {
      failure ??= messageOf(error);
      return true;
    });
    if (settled && failure === undefined) return;
    await this.kill('SIGKILL');
    const log = lastLines(readFileSync(logFile).subarray(logOffset).toString('utf8'));
    const reason = failure ?? `it did not answer within ${startTimeoutMs} ms`;
    const isPortTaken = /address already in use/i.test(log);
    throw new ServerError(
      isPortTaken ? 'PORT_TAKEN' : 'START_FAILED',
      `${name} did not start: ${reason}.\nThe end of its log:\n${log}`,
    );
  }

  /**
   * Sends a signal that ends the process, and returns when it and its children are gone.
   *
   * @param graceMs after this long SIGKILL follows. Default 10,000.
   */
  async kill(signal: NodeJS.Signals, graceMs = 10_000): Promise<void> {
    const child = this.#child;
    if (!child?.pid || !this.isRunning) return;
    const pid = child.pid;
    const family = childrenOf(pid);
    const stopped = this.#paused;
    this.#paused = [];
    sendSignal(pid, signal);
    if (signal === 'SIGKILL') {
      // Stopped children cannot notice that their parent is gone.
      for (const stoppedPid of stopped) sendSignal(stoppedPid, 'SIGKILL');
    } else {
      for (const stoppedPid of stopped.reverse()) sendSignal(stoppedPid, 'SIGCONT');
    }
    if (!(await this.#hasExited(child, graceMs))) {
      for (const familyPid of [pid, ...childrenOf(pid)]) sendSignal(familyPid, 'SIGKILL');
      await this.#hasExited(child, graceMs);
    }
    const isFamilyGone = (): boolean => !family.some(isRunning);
    if (await pollUntil(isFamilyGone, ORPHAN_GRACE_MS)) return;
    for (const orphan of family) sendSignal(orphan, 'SIGKILL');
    if (await pollUntil(isFamilyGone, ORPHAN_GRACE_MS)) return;
    throw new ServerError(
      'STOP_FAILED',
      `${this.#command.name}: processes ${family.filter(isRunning).join(', ')} survive SIGKILL. ` +
        'They are probably stuck in the kernel; end them before going on.',
    );
  }

  /** Sends a signal that does not end the process. */
  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) sendSignal(this.pid, signal);
  }

  /** Stops the process and its children where they are (SIGSTOP): connections stay open, unanswered. */
  pause(): void {
    if (!this.isRunning || this.#paused.length > 0) return;
    // The parent first: then it cannot start children any more and the list is complete.
    sendSignal(this.pid, 'SIGSTOP');
    const children = childrenOf(this.pid);
    for (const childPid of children) sendSignal(childPid, 'SIGSTOP');
    this.#paused = [this.pid, ...children];
    this.#guard.watch(this.#paused);
  }

  /** Lets a paused process go on (SIGCONT). */
  resume(): void {
    const paused = this.#paused;
    this.#paused = [];
    for (const pausedPid of paused.reverse()) sendSignal(pausedPid, 'SIGCONT');
    if (this.isRunning) this.#guard.watch([this.pid]);
  }

  #spawn(): ChildProcess {
    const { command, args, env, cwd, logFile, user } = this.#command;
    const log = openSync(logFile, 'a');
    try {
      const child = spawn(command, args, {
        cwd,
        env: { ...env },
        // A session of its own: Ctrl-C must not end the server before its users have drained.
        detached: true,
        stdio: ['ignore', log, log],
        ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      });
      this.#child = child;
      this.#paused = [];
      if (child.pid !== undefined) {
        this.#lastPid = child.pid;
        this.#guard.watch([child.pid]);
      }
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  async #hasExited(child: ChildProcess, deadlineMs: number): Promise<boolean> {
    if (child.exitCode !== null || child.signalCode !== null) return true;
    child.ref();
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      await once(child, 'exit', { signal: deadline });
      return true;
    } catch (error) {
      if (deadline.aborted) return false;
      throw error;
    } finally {
      child.unref();
    }
  }
}
