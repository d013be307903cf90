import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Servers } from '../servers.ts';

export type Machine = ReturnType<typeof describeMachine>;

/** Says on what it ran: nothing here may be compared between machines but the ratios. */
export function describeMachine({ redis, postgres }: Servers['versions']) {
  return {
    processor: cpus()[0]?.model.trim() ?? '',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    redis,
    postgres,
  };
}
