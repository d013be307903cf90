import { daily } from './daily.ts';
import type { Job } from './jobs.ts';
import { repeat } from './repeat.ts';

export interface RunJobsOptions {
  readonly signal: AbortSignal;
  /** Called for each run that failed. */
  readonly onError: (error: unknown, job: string) => void;
}

/** Runs all of them, each by its own time, until the signal is aborted; resolves when the last runs have ended. */
export async function runJobs(jobs: readonly Job[], { signal, onError }: RunJobsOptions): Promise<void> {
  await Promise.all(
    jobs.map((job) => {
      const options = { signal, onError: (error: unknown) => onError(error, job.name) };
      return 'atHour' in job
        ? daily(job.run, { hour: job.atHour, ...options })
        : repeat(job.run, { everyMs: job.everyMs, ...options });
    }),
  );
}
