import { createReadStream } from 'node:fs';
import type { Call } from './call.ts';
import {
  type CallLine,
  HISTORY_VERSION,
  type HistoryLine,
  type OpenLine,
  type SentLine,
} from './history-line.ts';
import { parseLine } from './parse-line.ts';

const CHUNK_BYTES = 1024 * 1024;

/** A line of a history file is not what {@link recordHistory} writes. */
export class HistoryFileError extends Error {
  constructor(file: string, line: number, what: string) {
    super(`${file}:${line}: ${what}`);
    this.name = 'HistoryFileError';
  }
}

export interface History {
  readonly calls: readonly Call[];
  /** Of how many machines. With one, times are exact; with several, they are as far apart as their clocks. */
  readonly clocks: number;
}

/**
 * Reads what was recorded, of one machine or of several. About 600 bytes of memory a call. A line that was cut off
 * because its bot was killed is left out.
 *
 * @throws HistoryFileError for any other line that is not one of a history; what opening a file throws
 */
export async function readHistory(files: readonly string[]): Promise<History> {
  const reader = new Reader();
  for (const file of files) await reader.readFile(file);
  return reader.history();
}

/** A call whose answer was not read yet; `loadMany` is one call of each session. */
type Open = Call[];

class Reader {
  readonly #calls: Call[] = [];
  readonly #procs = new Map<string, OpenLine & { us: number }>();
  readonly #open = new Map<string, Map<number, Open>>();
  /** One copy of each text: a history names its sessions and processes over and over. */
  readonly #texts = new Map<string, string>();

  async readFile(file: string): Promise<void> {
    let number = 0;
    let cutOff: number | undefined;
    for await (const text of linesOf(file)) {
      number++;
      if (text === '') continue;
      const line = parseLine(text);
      // Only the end of a file, or of what one process wrote to it, may be cut off.
      if (cutOff !== undefined && line?.at !== 'open') throw notALine(file, cutOff);
      cutOff = undefined;
      if (line) {
        const problem = this.#add(line);
        if (problem) throw new HistoryFileError(file, number, problem);
      } else if (text.endsWith('}')) throw notALine(file, number);
      else cutOff = number;
    }
  }

  history(): History {
    const clocks = new Set([...this.#procs.values()].map(({ clock }) => clock)).size;
    if (clocks > 1) for (const call of this.#calls) this.#toWallClock(call);
    return { calls: this.#calls.sort((a, b) => a.startUs - b.startUs), clocks };
  }

  #toWallClock(call: Call): void {
    const { us, wallUs } = this.#procs.get(call.proc) as { us: number; wallUs: number };
    call.startUs += wallUs - us;
    call.endUs += wallUs - us;
  }

  /** @returns what is wrong with the line */
  #add(line: HistoryLine): string | undefined {
    if (line.at === 'open') {
      if (line.v !== HISTORY_VERSION)
        return `version ${line.v} of the format; this release reads ${HISTORY_VERSION}`;
      if (this.#procs.has(line.proc)) return `${line.proc} began before: was the file given twice?`;
      this.#procs.set(line.proc, line);
      this.#open.set(line.proc, new Map());
      return undefined;
    }
    const open = this.#open.get(line.proc);
    if (!open) return `nothing says when ${line.proc} began: is the beginning missing?`;
    return line.at === 'call' ? this.#send(line, open) : this.#hear(line, open);
  }

  #send(
    line: Extract<CallLine, { at: 'call' }> & { us: number; proc: string },
    open: Map<number, Open>,
  ): undefined {
    const calls =
      line.op === 'loadMany'
        ? line.sessions.map((session) => this.#newCall(line, { at: 'call', op: 'load', session }))
        : [this.#newCall(line, line)];
    open.set(line.n, calls);
    for (const call of calls) this.#calls.push(call);
  }

  #newCall(
    { proc, n, us }: { readonly proc: string; readonly n: number; readonly us: number },
    { op, session, state, opId, ifVersion }: Exclude<SentLine, { op: 'loadMany' }>,
  ): Call {
    return {
      proc: this.#intern(proc),
      n,
      op,
      session: this.#intern(session),
      startUs: us,
      endUs: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      version: undefined,
      state: op === 'clear' ? null : state,
      base: undefined,
      ifVersion: ifVersion === undefined ? undefined : BigInt(ifVersion),
      opId,
      isReplay: false,
    };
  }

  /** @returns what is wrong with the line */
  #hear(
    line: Extract<CallLine, { at: 'attempt' | 'done' }> & { us: number },
    open: Map<number, Open>,
  ): string | undefined {
    const calls = open.get(line.n);
    if (!calls) return `call ${line.n} was not sent before`;
    for (const [i, call] of calls.entries()) {
      if (line.at === 'attempt') {
        call.base = line.base;
        call.state = line.state;
        continue;
      }
      call.endUs = line.us;
      call.outcome = line.outcome;
      if (line.version !== undefined) call.version = BigInt(line.version);
      if (line.opId !== undefined) call.opId = line.opId;
      if (line.isReplay) call.isReplay = true;
      if (line.durability !== undefined) call.durability = line.durability;
      if (call.op === 'load') call.state = line.states ? line.states[i] : line.state;
      else if (line.outcome === 'ok' && line.version === undefined) return 'a save without its version';
    }
    if (line.at === 'done') open.delete(line.n);
    return undefined;
  }

  #intern(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: CHUNK_BYTES })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function notALine(file: string, line: number): HistoryFileError {
  return new HistoryFileError(file, line, 'not a line of a history');
}
