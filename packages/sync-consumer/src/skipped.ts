import type { Logger } from 'pino';
import { groupBy } from './pipeline/group-by.ts';
import { namePartitions, type PartitionFailure } from './redis/ask-partitions.ts';

export interface SkippedDeps {
  /** Monotonic clock, ms. */
  readonly now: () => number;
  readonly logger: Logger;
}

export interface SkippedOptions {
  /** What was not met again for this long is over, ms. */
  readonly forgetAfterMs: number;
}

interface Noted extends PartitionFailure {
  readonly seenAtMs: number;
}

/**
 * What is skipped at present while everything else is synced. Each is logged once as long as it lasts. A read, a
 * claim and the sweep may all report it; it is over when none of them did for `forgetAfterMs`.
 */
export class Skipped {
  readonly #deps: SkippedDeps;
  readonly #options: SkippedOptions;
  readonly #noted = new Map<string, Noted>();

  constructor(deps: SkippedDeps, options: SkippedOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  readonly note = (failures: readonly PartitionFailure[]): void => {
    this.#forget();
    const news: PartitionFailure[] = [];
    for (const one of failures) {
      const { retryable, reason } = one.error.failure;
      // A primary that is away says so in changing words.
      const key = `${one.partition} ${retryable ? '' : reason}`;
      if (!this.#noted.has(key)) news.push(one);
      this.#noted.set(key, { ...one, seenAtMs: this.#deps.now() });
    }
    for (const [reason, alike] of groupBy(news, ({ error }) => error.message)) {
      const isPassing = alike.every(({ error }) => error.retryable);
      this.#deps.logger[isPassing ? 'warn' : 'error'](
        { partitions: alike.map(({ partition }) => partition), reason },
        'skipped and tried again; everything else is synced',
      );
    }
  };

  /** In words an operator can act on; undefined: nothing is. */
  get problem(): string | undefined {
    this.#forget();
    if (this.#noted.size === 0) return undefined;
    const alike = groupBy(this.#noted.values(), ({ error }) => error.message);
    return [...alike]
      .map(([reason, all]) => `${namePartitions(all.map(({ partition }) => partition))}: ${reason}`)
      .join('; ');
  }

  #forget(): void {
    const before = this.#deps.now() - this.#options.forgetAfterMs;
    for (const [key, { seenAtMs }] of this.#noted) if (seenAtMs < before) this.#noted.delete(key);
  }
}
