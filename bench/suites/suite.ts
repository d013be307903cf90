import type { Figure } from '../measure/figure.ts';
import type { Plot } from '../report/svg-plot.ts';

/** What a suite measured; undefined: too little for a figure. */
export interface SuiteResult {
  readonly figures: readonly (Figure | undefined)[];
  readonly plots: readonly Plot[];
}
