import { isReached } from '../measure/figure.mjs';

/** One table a suite; how to read it stands in bench/README.md. */
export function renderReport({ profile, machine, seconds, suites }) {
  const { processor, cores, memoryGib, node, redis, postgres } = machine;
  const sections = suites.map((suite) => renderSuite(suite));
  return `# Benchmark, ${profile} profile

${cores} cores (${processor}), ${memoryGib} GiB; Node.js ${node}, Redis ${redis}, PostgreSQL ${postgres}. ${seconds} s in all.
How to read this: [../README.md](../README.md). The ratio is what counts; the measured figures are of this machine, while
whatever else was going on there.

${sections.join('\n\n')}
`;
}

function renderSuite({ title, figures, plots }) {
  const head = ['what', 'quantity', 'subject', 'reference', 'ratio', 'low … high', 'measured', 'goal'];
  const rows = figures.map((figure) => [
    figure.what,
    figure.quantity,
    figure.subject,
    figure.reference,
    `**${number(figure.ratio.median)}**`,
    figure.ratio.rounds > 1 ? `${number(figure.ratio.low)} … ${number(figure.ratio.high)}` : '',
    `${number(figure.measured.subject)} to ${number(figure.measured.reference)} ${figure.measured.unit}`.trim(),
    renderGoal(figure),
  ]);
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  const images = plots.map(({ name, title: plotTitle }) => `\n![${plotTitle}](${name}.svg)`);
  return [`## ${title}`, '', ...lines, ...images].join('\n');
}

function renderGoal(figure) {
  if (!figure.goal) return '';
  const { atLeast, atMost } = figure.goal;
  const goal = atLeast === undefined ? `≤ ${number(atMost)}` : `≥ ${number(atLeast)}`;
  return `${goal}: ${isReached(figure) ? 'reached' : 'missed'}`;
}

/** Three digits that matter. */
export function number(value) {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 6) });
}
