import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { nameClock, nowUs } from './clock.ts';
import { type CallLine, HISTORY_VERSION, type OpenLine } from './history-line.ts';

export type HistoryOptions = {
  /** Names this bot in what is found. Default: host and process id. A random end is added: a restart is another one. */
  readonly proc?: string | undefined;
  /** Called once, when a line cannot be written; nothing is recorded from then on. Default: a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
} & (
  | {
      /** Lines are added at its end. One file for each process; several on one machine may share one. */
      readonly file: string;
    }
  | {
      /** Gets each line, with its end. Must have stored it when it returns. */
      readonly write: (line: string) => void;
    }
);

export interface HistoryWriter {
  write(line: CallLine): void;
  close(): void;
}

/** @throws what opening the file throws; writing never throws */
export function openHistory(options: HistoryOptions): HistoryWriter {
  const { proc: name = `${hostname()}-${process.pid}`, onError = warn } = options;
  const proc = `${name}.${randomBytes(4).toString('hex')}`;
  const sink = 'file' in options ? openFile(options.file) : { write: options.write, close: () => {} };
  let isOpen = true;
  const close = (): void => {
    if (isOpen) sink.close();
    isOpen = false;
  };
  const write = (line: CallLine | OpenLine): void => {
    if (!isOpen) return;
    try {
      sink.write(`${JSON.stringify({ us: nowUs(), proc, ...line })}\n`);
    } catch (error) {
      close();
      onError(error);
    }
  };
  write({ at: 'open', v: HISTORY_VERSION, clock: nameClock(), wallUs: Date.now() * 1000 });
  return { write, close };
}

function openFile(path: string): { write: (line: string) => void; close: () => void } {
  const file = openSync(path, 'a');
  // The process that wrote here before may have been killed within a line.
  let before = '\n';
  return {
    write(line) {
      writeSync(file, before + line);
      before = '';
    },
    close: () => closeSync(file),
  };
}

function warn(error: unknown): void {
  process.emitWarning(`The history of this bot ends here: ${error instanceof Error ? error.message : error}`);
}
