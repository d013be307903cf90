import { stripVTControlCharacters } from 'node:util';
import { printable } from '@cauce/protocol';
import type { CliContext, TextStream } from './context.ts';
import { type Explanation, maskCredentials } from './explain-error.ts';

export interface OutputOptions {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly isDebug: boolean;
  /** `--no-color` was not given. */
  readonly mayColor: boolean;
}

type Style = 'bold' | 'red' | 'yellow' | 'green' | 'dim';
const escapes: Record<Style, string> = { bold: '1', red: '31', yellow: '33', green: '32', dim: '2' };

/** Version of every JSON object printed. Raised when a field changes its meaning or goes; new fields may come. */
const JSON_VERSION = 1;

/** Data on stdout, everything else on stderr. */
export class Output {
  readonly isJson: boolean;
  readonly #context: CliContext;
  readonly #options: OutputOptions;
  readonly #command: string;
  #progressShown = false;
  #drawn = '';

  constructor(context: CliContext, command: string, options: OutputOptions) {
    this.isJson = options.isJson;
    this.#context = context;
    this.#options = options;
    this.#command = command;
  }

  /** Prints what the command found: one JSON object in one line, or text. */
  result(data: object, text: string): void {
    this.#clearProgress();
    this.#context.stdout.write(this.isJson ? this.#json(data) : `${text}\n`);
  }

  /** Like `result`, in the place of the one before when stdout is a terminal. */
  redraw(data: object, text: string, shortText: string): void {
    const { stdout } = this.#context;
    if (this.isJson) stdout.write(this.#json(data));
    else if (!this.#canMoveCursor(stdout)) stdout.write(`${shortText}\n`);
    else {
      const up = this.#drawn === '' ? '' : `\u001b[${rowsOf(this.#drawn, stdout.columns)}A\r\u001b[J`;
      stdout.write(`${up}${text}\n`);
      this.#drawn = text;
    }
  }

  /** A message that is not data. */
  note(text: string): void {
    if (this.#options.isQuiet) return;
    this.#clearProgress();
    this.#context.stderr.write(`${maskCredentials(text)}\n`);
  }

  /** The progress of the work: one line that replaces itself, only on a terminal. */
  progress(text: string): void {
    const { stderr } = this.#context;
    if (this.#options.isQuiet || !this.#canMoveCursor(stderr)) return;
    stderr.write(`\r\u001b[K${maskCredentials(text)}`);
    this.#progressShown = true;
  }

  error({ code, message, hint }: Explanation, error: unknown): void {
    this.#clearProgress();
    const { stderr, stdout } = this.#context;
    const text = message.split('\n').map(printable).join('\n');
    const lines = [`${this.paint('red', 'error:', stderr.isTTY)} ${text}`];
    if (hint !== undefined) lines.push(hint);
    if (this.#options.isDebug && error instanceof Error) lines.push(error.stack ?? '');
    stderr.write(`${maskCredentials(lines.join('\n'))}\n`);
    if (this.isJson) {
      stdout.write(maskCredentials(this.#json({ error: { code, message, hint } })));
    }
  }

  paint(style: Style, text: string, isTTY = this.#context.stdout.isTTY): string {
    const { env } = this.#context;
    const isColored = isTTY && this.#options.mayColor && !env.NO_COLOR && env.TERM !== 'dumb';
    return isColored ? `\u001b[${escapes[style]}m${text}\u001b[0m` : text;
  }

  #canMoveCursor({ isTTY }: TextStream): boolean {
    return isTTY && this.#context.env.TERM !== 'dumb';
  }

  #json(data: object): string {
    // What is unknown is null, so that every object has all its fields.
    const orNull = (_: string, value: unknown): unknown => (value === undefined ? null : value);
    return `${JSON.stringify({ v: JSON_VERSION, command: this.#command, ...data }, orNull)}\n`;
  }

  #clearProgress(): void {
    if (this.#progressShown) this.#context.stderr.write('\r\u001b[K');
    this.#progressShown = false;
  }
}

/** Rows of a terminal that the text takes: a line that is too long is wrapped, and a color takes no room. Pure. */
function rowsOf(text: string, columns: number | undefined): number {
  const lines = stripVTControlCharacters(text).split('\n');
  return lines.reduce(
    (rows, { length }) => rows + Math.max(1, Math.ceil(length / (columns || length || 1))),
    0,
  );
}
