import { isReached } from '../measure/figure.mjs';

/** The goals first, then a table for each suite. How to read it stands in bench/README.md. */
export function renderReport({ profile, machine, seconds, suites }) {
  const { processor, cores, memoryGib, node, redis, postgres } = machine;
  const figures = suites.flatMap((suite) => suite.figures);
  const goals = figures.filter(({ goal }) => goal);
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

function renderSuite({ title, figures, plots }) {
  const quantities = [...new Set(figures.map(({ quantity }) => quantity))];
  const table = quantities.length > 2 ? renderByQuantity(figures, quantities) : renderFlat(figures);
  const images = plots.map(({ name, title: plotTitle }) => `\n\n![${plotTitle}](${name}.svg)`);
  return `## ${title}\n\n${table}${images.join('')}`;
}

function renderFlat(figures) {
  return renderTable(
    ['what', 'subject', 'reference', 'quantity', 'ratio', 'measured'],
    figures.map((figure) => [
      ...[figure.what, figure.subject, figure.reference, figure.quantity],
      ...[renderRatio(figure), renderMeasured(figure)],
    ]),
  );
}

/** What was measured of the same two things stands in one row. */
function renderByQuantity(figures, quantities) {
  const rows = new Map();
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

function renderTable(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function renderRatio({ ratio: { median, low, high, rounds } }) {
  return `**${number(median)}**${rounds > 1 ? ` (${number(low)} … ${number(high)})` : ''}`;
}

function renderMeasured({ measured: { subject, reference, unit } }) {
  return `${number(subject)} to ${number(reference)} ${unit}`.trim();
}

function renderGoal({ atLeast, atMost }) {
  return atLeast === undefined ? `≤ ${number(atMost)}` : `≥ ${number(atLeast)}`;
}

/** Three digits that matter. */
function number(value) {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 6) });
}
