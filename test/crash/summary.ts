// What a reader of a run sees.
import { kinds, type RunVerdict } from './checker/check-run.ts';
import { countKills, killed } from './decks.ts';
import type { StruckFault } from './faults/fault.ts';
import type { LoneDeath } from './fleet.ts';

const MOST_VIOLATIONS_SHOWN = 15;

export function describeFault({ seconds, name, target }: StruckFault): string {
  return `${seconds.toFixed(2).padStart(8)} s  ${name} (${target})`;
}

/** How a run ended. */
export interface Outcome {
  readonly log: readonly StruckFault[];
  readonly verdict: RunVerdict;
  readonly seen: ReadonlyMap<string, number>;
  /** Events that have to happen. */
  readonly expected: readonly string[];
  readonly drainMs: number;
  /** Faults and events that did not happen. */
  readonly missing: readonly string[];
  readonly diedAlone: readonly LoneDeath[];
}

export function summarize(outcome: Outcome): string {
  const { log, verdict, seen, expected, drainMs, missing, diedAlone } = outcome;
  const { violations } = verdict;
  const lines = ['', 'Faults'];
  for (const [name, count] of countBy(log, ({ name }) => name))
    lines.push(`  ${String(count).padStart(6)}  ${name}`);
  lines.push(`  ${String(log.length).padStart(6)}  in all`, describeKills(log), '', 'What happened');
  const others = [...seen.keys()].filter((event) => !expected.includes(event)).sort();
  for (const event of [...expected, ...others]) {
    lines.push(
      `  ${String(seen.get(event) ?? 0).padStart(6)}  ${event}${missing.includes(event) ? '  MISSING' : ''}`,
    );
  }
  lines.push('', ...describeCalls(verdict, drainMs));
  for (const { proc, code, signal, output } of diedAlone) {
    lines.push('', `${proc} ended by itself (${code ?? signal}):`, output);
  }
  for (const { kind, key, what, evidence } of violations.slice(0, MOST_VIOLATIONS_SHOWN)) {
    lines.push('', `${kind.toUpperCase()} ${key}: ${what}`, `  ${toText(evidence)}`);
  }
  lines.push('', describeVerdict(verdict));
  if (missing.length > 0) lines.push(`Never happened: ${missing.join(', ')}`);
  return lines.join('\n');
}

/** A few lines about a run in which all was well. */
export function summarizeBriefly({ log, verdict, drainMs }: Outcome): string {
  const names = new Set(log.map(({ name }) => name)).size;
  const lines = [
    `${log.length} faults of ${names} kinds;${describeKills(log)}`,
    ...describeCalls(verdict, drainMs),
    describeVerdict(verdict),
  ];
  return lines.join('\n');
}

function describeCalls({ counts, forgotten }: RunVerdict, drainMs: number): string[] {
  const lines = [
    `${counts.acknowledged} saves acknowledged (${counts.clears} of them clears, ${counts.updates} updates), ` +
      `${counts.replicated} replicated, ${counts.committed} committed; ` +
      `${counts.unknown} unknown, ${counts.refused} refused; ${counts.sessions} sessions`,
    `${counts.loads} loads answered, ${counts.failedLoads} failed`,
    `drained ${drainMs} ms after the last save`,
  ];
  if (forgotten > 0)
    lines.push(
      `${forgotten} acknowledged saves may be lost with a Redis that had not written or replicated them`,
    );
  return lines;
}

function describeVerdict({ violations }: RunVerdict): string {
  const byKind = countBy(violations, ({ kind }) => kind);
  return kinds.map((kind) => `${byKind.get(kind) ?? 0} ${kind}`).join(' · ');
}

function describeKills(log: readonly StruckFault[]): string {
  return `  SIGKILLs: ${killed.map((name) => `${name} ${countKills(name, log)}`).join(' · ')}`;
}

function countBy<Item>(items: readonly Item[], nameOf: (item: Item) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(nameOf(item), (counts.get(nameOf(item)) ?? 0) + 1);
  return new Map([...counts].sort((a, b) => b[1] - a[1]));
}

function toText(evidence: unknown): string {
  return JSON.stringify(evidence, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}
