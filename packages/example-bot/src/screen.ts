import { BOARD_CHARS, renderBoard, renderLine } from './board.ts';
import type { PipelineView } from './watch-pipeline.ts';

/** Where a program of the demo writes. */
export interface Screen {
  /** A line that stays. */
  say(line: string): void;
  /** Redraws the board in place on a terminal that is wide enough; a line now and then elsewhere. */
  show(view: PipelineView): void;
  /** Leaves the board where it is; what is said next comes below. */
  keepBoard(): void;
}

export interface ScreenOptions {
  /** Its TERM: a `dumb` terminal cannot move the cursor. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How often the board becomes a line where it cannot be redrawn, ms. 0: never. */
  readonly lineEveryMs: number;
}

const UP_AND_CLEAR = '\x1b[1A\x1b[2K';

export function createScreen(stream: NodeJS.WriteStream, { env, lineEveryMs }: ScreenOptions): Screen {
  const canMoveUp = stream.isTTY === true && env.TERM !== 'dumb';
  let board: readonly string[] = [];
  let lastLineMs = Number.NEGATIVE_INFINITY;

  // 0: the terminal does not tell. A line that wraps takes two rows, and the cursor would go up too little.
  const columns = (): number => stream.columns || 80;
  const drawnRows = (): number => (board.every((line) => line.length < columns()) ? board.length : 0);
  const draw = (said: string, next: readonly string[]): void => {
    stream.write(UP_AND_CLEAR.repeat(drawnRows()) + said + next.map((line) => `${line}\n`).join(''));
    board = next;
  };
  return {
    // A board that a narrower terminal has wrapped is left where it is.
    say: (line) => draw(`${line}\n`, board.slice(0, drawnRows())),
    show(view) {
      if (canMoveUp && columns() > BOARD_CHARS) {
        draw(
          '',
          renderBoard(view).map((line) => line.slice(0, columns() - 1)),
        );
      } else if (lineEveryMs > 0 && performance.now() - lastLineMs >= lineEveryMs) {
        lastLineMs = performance.now();
        draw(`${renderLine(view)}\n`, []);
      }
    },
    keepBoard() {
      board = [];
    },
  };
}
