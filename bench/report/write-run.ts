import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Run, renderReport } from './markdown.ts';
import { renderPlot } from './svg-plot.ts';

/** Writes what was measured so far: for programs, for readers, and the plots. */
export function writeRun(folder: string, run: Run): void {
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(run, null, 2)}\n`);
  writeFileSync(join(folder, 'results.md'), renderReport(run));
  for (const plot of run.suites.flatMap(({ plots }) => plots)) {
    writeFileSync(join(folder, `${plot.name}.svg`), renderPlot(plot));
  }
}
