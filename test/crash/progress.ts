// What a reader of a long run sees while it lasts.
import { countKills, fewestKills, killed } from './decks.ts';
import type { StruckFault } from './faults/fault.ts';

const EVERY_MS = 10_000;
/** Measured on two cores: a kill of each of the four processes, and what comes between. */
const SECONDS_PER_KILL = 3;

export interface ProgressOptions {
  /** Of each process, until the run is over. */
  readonly kills: number;
  readonly print: (line: string) => void;
}

export function openProgress({ kills, print }: ProgressOptions) {
  const startedMs = performance.now();
  const log: StruckFault[] = [];
  print(`This takes about ${describeMinutes(kills * SECONDS_PER_KILL)}.`);
  const timer = setInterval(() => {
    const seconds = (performance.now() - startedMs) / 1000;
    const done = fewestKills(log);
    const left = done === 0 ? '' : `, about ${describeMinutes((seconds / done) * (kills - done))} left`;
    const counts = killed.map((name) => `${name} ${countKills(name, log)}`).join(' · ');
    print(`${seconds.toFixed(0).padStart(6)} s  ${log.length} faults, of them SIGKILLs: ${counts}${left}`);
  }, EVERY_MS);
  return {
    struck: (fault: StruckFault) => log.push(fault),
    close: () => clearInterval(timer),
  };
}

function describeMinutes(seconds: number): string {
  return seconds < 90 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`;
}
