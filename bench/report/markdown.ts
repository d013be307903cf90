import { type Figure, type Goal, isReached } from '../measure/figure.ts';

import type { Machine } from './machine.ts';
import type { Plot } from './svg-plot.ts';

export interface SuiteRun {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  readonly figures: readonly Figure[];
  readonly plots: readonly Plot[];
}

export interface Run {
  readonly profile: string;
  readonly machine: Machine;
  readonly seconds: number;
  readonly suites: readonly SuiteRun[];
}

/** The goals first, then a table for each suite. bench/README.md says how to read it. */
export function renderReport({ profile, machine, seconds, suites }: Run): string {
  const { processor, cores, memoryGib, node, redis, postgres } = machine;
  const figures = suites.flatMap((suite) => suite.figures);
  const goals = figures.flatMap((figure) => (figure.goal ? [{ ...figure, goal: figure.goal }] : []));
  return `# Benchmark, ${profile} profile

${cores} cores (${processor}), ${memoryGib} GiB; Node.js ${node}, Redis ${redis}, PostgreSQL ${postgres}. ${seconds} s in all.
How to read this: [README.md](../README.md).

## Goals

${renderTable(
  ['what', 'subject', 'reference', 'quantity', 'ratio', 'goal', 'reached', 'measured'],
  goals.map((figure) => [
    ...[figure.what, figure.subject, figure.reference, figure.quantity],
    ...[renderRatio(figure), renderGoal(figure.goal), isReached(figure) ? 'yes' : '**no**'],
    renderMeasured(figure),
  ]),
)}

${suites.map(renderSuite).join('\n\n')}
`;
}

function renderSuite({ title, figures, plots }: SuiteRun): string {
  const quantities = [...new Set(figures.map(({ quantity }) => quantity))];
  const table = quantities.length > 2 ? renderByQuantity(figures, quantities) : renderFlat(figures);
  const images = plots.map(({ name, title: plotTitle }) => `\n\n![${plotTitle}](${name}.svg)`);
  return `## ${title}\n\n${table}${images.join('')}`;
}

function renderFlat(figures: readonly Figure[]): string {
  return renderTable(
    ['what', 'subject', 'reference', 'quantity', 'ratio', 'measured'],
    figures.map((figure) => [
      ...[figure.what, figure.subject, figure.reference, figure.quantity],
      ...[renderRatio(figure), renderMeasured(figure)],
    ]),
  );
}

/** What was measured of the same two things is one row. */
function renderByQuantity(figures: readonly Figure[], quantities: readonly string[]): string {
  const rows = new Map<string, Record<string, string>>();
  for (const figure of figures) {
    const { what, subject, reference } = figure;
    const name = [what, subject, reference].join(' | ');
    rows.set(name, { ...rows.get(name), [figure.quantity]: renderRatio(figure) });
  }
  return renderTable(
    ['what', 'subject', 'reference', ...quantities],
    [...rows].map(([name, ratios]) => [name, ...quantities.map((quantity) => ratios[quantity] ?? '')]),
  );
}

function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function renderRatio({ ratio: { median, low, high, rounds } }: Figure): string {
  return `**${number(median)}**${rounds > 1 ? ` (${number(low)} … ${number(high)})` : ''}`;
}

function renderMeasured({ measured: { subject, reference, unit } }: Figure): string {
  return `${number(subject)} to ${number(reference)} ${unit}`.trim();
}

function renderGoal(goal: Goal): string {
  return goal.atLeast === undefined ? `≤ ${number(goal.atMost)}` : `≥ ${number(goal.atLeast)}`;
}

/** Three digits that matter. */
function number(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 6) });
}
