import { type StoreOpeners, storeOpeners } from '@cauce/admin';

export interface TextStream {
  write(text: string): unknown;
  readonly isTTY: boolean;
  /** Of a terminal. */
  readonly columns?: number | undefined;
}

/** Everything a command touches outside itself. `main.ts` gives the process's own; a test gives others. */
export interface CliContext extends StoreOpeners {
  readonly version: string;
  /** Data, and nothing else. */
  readonly stdout: TextStream;
  /** Messages, progress, questions, errors. */
  readonly stderr: TextStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly readFile: (path: string) => Promise<string>;
  /** Asks y/N. Undefined when nobody can answer. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
}

/** The real stores. Opening connects lazily; a failure shows in the first call. */
export const realStores: StoreOpeners = storeOpeners('cauce-cli');
