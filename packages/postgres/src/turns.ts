/** A place in the queue of those who may work at the same time. */
export interface Turn {
  /** Resolves when it is one's turn. */
  readonly came: Promise<void>;
  /** After one's work: lets the next one in. */
  leave(): void;
  /** Leaves the queue, so that the turn never comes; no effect once it came. */
  giveUp(): void;
}

/** Hands out turns in order, at most `max` at a time. */
export function createTurns(max: number): { take(): Turn } {
  let working = 0;
  const waiting = new Set<() => void>();

  function admit(): void {
    for (const start of waiting) {
      if (working >= max) return;
      waiting.delete(start);
      working++;
      start();
    }
  }

  return {
    take() {
      let start = (): void => {};
      const came = new Promise<void>((resolve) => {
        start = resolve;
      });
      waiting.add(start);
      admit();
      return {
        came,
        leave() {
          working--;
          admit();
        },
        giveUp() {
          waiting.delete(start);
        },
      };
    },
  };
}
