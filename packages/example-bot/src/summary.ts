import type { Comparison } from './compare-stores.ts';
import { formatBytes, formatCount, formatDuration, plural } from './quantities.ts';
import type { LatencySummary } from './save-latency.ts';
import type { TalkResult } from './talk-through-kill.ts';

export interface DemoResult extends Pick<TalkResult, 'report' | 'consumers'> {
  readonly direct: LatencySummary;
  readonly distanceMs: number;
  /** Sent to PostgreSQL by the consumers; by the direct upserts. */
  readonly traffic: { readonly pipelineBytes: number; readonly directBytes: number };
  readonly comparison: Comparison;
}

const SHOWN_DIFFERENCES = 20;

/** What a run has shown, as lines. */
export function renderSummary(result: DemoResult): string[] {
  const { counts } = result.report;
  const saves = counts.saved + counts.cleared;
  return [
    ...renderLatencies(result),
    '',
    `${plural(saves, 'save')} (${formatCount(counts.cleared)} of them clears) reached PostgreSQL as ` +
      `${plural(result.consumers.rows, 'row write')} in ${plural(result.consumers.statements, 'statement')}.`,
    `Sent to PostgreSQL for each save: ${renderTraffic(result, saves)}.`,
    `Saves repeated: ${formatCount(counts.rejected)} rejected, ${formatCount(counts.unknown)} without an answer. ` +
      `Loads that failed: ${formatCount(counts.unanswered)}.`,
    '',
    ...renderComparison(result.comparison),
  ];
}

function renderLatencies({ report, direct, distanceMs }: DemoResult): string[] {
  const row = (name: string, ...cells: string[]): string =>
    `  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(11)).join('')}`;
  const latencies = (name: string, { averageMs, p99Ms, maxMs, count }: LatencySummary): string =>
    row(name, ...[averageMs, p99Ms, maxMs].map(formatDuration), formatCount(count));
  const ratio = (figure: 'averageMs' | 'p99Ms'): string => formatCount(direct[figure] / report.total[figure]);
  return [
    row('', 'average', 'p99', 'max', 'saves'),
    latencies('saveUserState', report.total),
    latencies(`direct upsert, ${distanceMs} ms away`, direct),
    row('times faster', ratio('averageMs'), ratio('p99Ms')),
  ];
}

function renderTraffic({ traffic, direct }: DemoResult, saves: number): string {
  const pipelineBytes = traffic.pipelineBytes / Math.max(1, saves);
  const directBytes = traffic.directBytes / Math.max(1, direct.count);
  return `${formatBytes(pipelineBytes)} instead of ${formatBytes(directBytes)} by direct upserts`;
}

function renderComparison({ remembered, inRedis, rows, cleared, differences }: Comparison): string[] {
  const compared =
    `Compared ${plural(remembered, 'session')} in the bot's memory and ${formatCount(inRedis)} in Redis with ` +
    `${plural(rows, 'row')} of PostgreSQL (${formatCount(cleared)} cleared):`;
  if (differences.length === 0) {
    return [compared, 'every version and every state is the same.', '', '0 lost'];
  }
  const more = differences.length - SHOWN_DIFFERENCES;
  return [
    compared,
    ...differences.slice(0, SHOWN_DIFFERENCES).map((line) => `  ${line}`),
    ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
    '',
    `${formatCount(differences.length)} lost or wrong`,
  ];
}
