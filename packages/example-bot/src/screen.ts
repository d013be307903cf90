import { renderBoard, renderLine } from './board.ts';
import type { PipelineView } from './watch-pipeline.ts';

/** Where a program of the demo writes. */
export interface Screen {
  /** A line that stays. */
  say(line: string): void;
  /** Redraws the board in place on a terminal; a line now and then elsewhere. */
  show(view: PipelineView): void;
  /** Leaves the board where it is; what is said next comes below. */
  keepBoard(): void;
}

export interface ScreenOptions {
  /** How often the board becomes a line where it cannot be redrawn, ms. 0: never. */
  readonly lineEveryMs: number;
}

const UP_AND_CLEAR = '\x1b[1A\x1b[2K';

export function createScreen(stream: NodeJS.WriteStream, { lineEveryMs }: ScreenOptions): Screen {
  const canRedraw = stream.isTTY === true;
  let board: readonly string[] = [];
  let lastLineMs = Number.NEGATIVE_INFINITY;

  // A line that wraps would take two rows, and the cursor would go up too little.
  const fit = (line: string): string => line.slice(0, Math.max(20, (stream.columns || 80) - 1));
  const draw = (said: string, next: readonly string[]): void => {
    stream.write(UP_AND_CLEAR.repeat(board.length) + said + next.map((line) => `${line}\n`).join(''));
    board = next;
  };
  return {
    say: (line) => draw(`${line}\n`, board),
    show(view) {
      if (canRedraw) draw('', renderBoard(view).map(fit));
      else if (lineEveryMs > 0 && performance.now() - lastLineMs >= lineEveryMs) {
        lastLineMs = performance.now();
        stream.write(`${renderLine(view)}\n`);
      }
    },
    keepBoard() {
      board = [];
    },
  };
}
