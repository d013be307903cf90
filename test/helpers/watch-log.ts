import { PassThrough } from 'node:stream';
import { createLogger } from '@cauce/sync-consumer';

export interface WatchedLog {
  readonly logger: ReturnType<typeof createLogger>;
  /** What was logged as skipped. */
  skipped(): { partitions: number[]; reason: string }[];
  text(): string;
}

/** A logger of the level `info`, and what it has written so far. */
export function watchLog(): WatchedLog {
  const stream = new PassThrough();
  const lines: string[] = [];
  stream.on('data', (line: Buffer) => lines.push(line.toString()));
  const skipped = () => lines.filter((line) => line.includes('skipped')).map((line) => JSON.parse(line));
  return { logger: createLogger('info', stream), skipped, text: () => lines.join('') };
}
