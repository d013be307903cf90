import { PassThrough } from 'node:stream';
import { createLogger } from '@cauce/sync-consumer';

export interface WatchedLog {
  readonly logger: ReturnType<typeof createLogger>;
  /** What was logged as left aside. */
  leftAside(): { partitions: number[]; reason: string }[];
  text(): string;
}

/** A logger of the level `info`, and what it has written so far. */
export function watchLog(): WatchedLog {
  const stream = new PassThrough();
  const lines: string[] = [];
  stream.on('data', (line: Buffer) => lines.push(line.toString()));
  const leftAside = () => lines.filter((line) => line.includes('left aside')).map((line) => JSON.parse(line));
  return { logger: createLogger('info', stream), leftAside, text: () => lines.join('') };
}
