import { formatCount, formatDuration } from './quantities.ts';
import type { PipelineView } from './watch-pipeline.ts';

const LABEL_CHARS = 19;
const VALUE_CHARS = 12;
const INDENT = '  ';
/** Of a line with two labels and two values; the last one may be longer. */
export const BOARD_CHARS = INDENT.length + 2 * (LABEL_CHARS + VALUE_CHARS);

/** The board as lines, for a terminal that can be redrawn. */
export function renderBoard(view: PipelineView): string[] {
  const cell = (label: string, value: string): string =>
    label.padEnd(LABEL_CHARS) + value.padEnd(VALUE_CHARS);
  return [
    '',
    `${INDENT}${cell('Redis writes/sec', writes(view))}${cell('average latency', latency(view, 'averageMs'))}`,
    `${INDENT}${cell('sync queue size', queue(view))}${cell('p99 latency', latency(view, 'p99Ms'))}`,
    `${INDENT}${cell('last sync', lastSync(view))}${cell('sync duration', syncDuration(view))}`,
    `${INDENT}${cell('failed syncs', failed(view))}${cell('consumer', view.consumer)}`,
    '',
  ].map((line) => line.trimEnd());
}

/** The same on one line, for a log. */
export function renderLine(view: PipelineView): string {
  return [
    `${view.elapsedSeconds.toFixed(0).padStart(4)} s`,
    `${writes(view)} writes/s`,
    `avg ${latency(view, 'averageMs')}`,
    `p99 ${latency(view, 'p99Ms')}`,
    `queue ${queue(view)}`,
    `last sync ${lastSync(view)}, took ${syncDuration(view)}`,
    `failed ${failed(view)}`,
    `consumer ${view.consumer}`,
  ].join(' | ');
}

function writes({ writesPerSecond }: PipelineView): string {
  return formatCount(writesPerSecond);
}

function latency({ recent }: PipelineView, figure: 'averageMs' | 'p99Ms'): string {
  return recent && recent.count > 0 ? formatDuration(recent[figure]) : '-';
}

function queue({ queuedSessions }: PipelineView): string {
  return formatCount(queuedSessions);
}

function lastSync({ lastSyncAgeMs }: PipelineView): string {
  return lastSyncAgeMs === undefined ? '-' : `${(lastSyncAgeMs / 1000).toFixed(1)} s ago`;
}

function syncDuration({ syncDurationMs }: PipelineView): string {
  return syncDurationMs === undefined ? '-' : formatDuration(syncDurationMs);
}

function failed({ failedSyncs }: PipelineView): string {
  return formatCount(failedSyncs);
}
