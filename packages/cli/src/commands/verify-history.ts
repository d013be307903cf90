import { checkTable } from '@cauce/admin';
import {
  type CallCounts,
  checkHistory,
  type History,
  HistoryFileError,
  parseSessionName,
  readHistory,
  type Violation,
  type ViolationKind,
  violationKinds,
} from '@cauce/history';
import { type Invocation, withStores } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { CommandError } from '../explain-error.ts';
import { readAtRest } from '../read-at-rest.ts';
import { count, counted, table } from '../render.ts';

export interface HistoryFlags {
  readonly history: readonly string[];
  /** ms */
  readonly wait: number;
  /** ms */
  readonly clockSkew: number;
  /** Examples of each kind. */
  readonly limit: number;
}

const DAY_MS = 86_400_000;

/** Checks what bots recorded against what the stores hold. */
export async function verifyHistory(invocation: Invocation<HistoryFlags>): Promise<ExitCode> {
  const { context, settings, output, options, signal } = invocation;
  output.progress('reading the history');
  const { calls, clocks } = await readFiles(options.history);
  const refs = [...new Set(calls.map(({ session }) => session))].flatMap(
    (name) => parseSessionName(name) ?? [],
  );
  const { cached, rows } = await withStores(invocation, async (deps) => {
    await checkTable(deps);
    return readAtRest(deps, refs, {
      batchRows: settings.SYNC_BATCH_ROWS,
      waitMs: options.wait,
      signal,
      onProgress: (dirty) => output.progress(`verifying: ${count(dirty)} sessions of the history are dirty`),
    });
  });
  const purgedBeforeMs = context.nowMs() - settings.SESSION_HISTORY_DAYS * DAY_MS;
  const { violations, counts } = checkHistory({
    ...{ calls, rows, cached: [cached] },
    purgedBefore: BigInt(Math.trunc(purgedBeforeMs)) * 1000n,
    clockSkewUs: clocks > 1 ? options.clockSkew * 1000 : 0,
  });
  const byKind = groupByKind(violations);
  const examples = [...byKind.values()].flatMap((ofKind) => ofKind.slice(0, options.limit));
  output.result(jsonOf(counts, byKind, examples), describe(counts, byKind, examples));
  if (byKind.has('stuck')) output.note('Is a consumer running? `cauce drain` syncs what is dirty.');
  if (byKind.has('parked')) output.note('See `cauce parked list`.');
  return violations.length > 0 ? exitCodes.problem : exitCodes.ok;
}

/** @throws CommandError when a file cannot be read or is not a history */
async function readFiles(files: readonly string[]): Promise<History> {
  try {
    return await readHistory(files);
  } catch (error) {
    const { code, path = '' } = error as NodeJS.ErrnoException;
    if (!(error instanceof HistoryFileError) && code === undefined) throw error;
    const message = error instanceof HistoryFileError ? error.message : `${path} cannot be read: ${code}`;
    throw new CommandError(`--history ${message}.`);
  }
}

function groupByKind(violations: readonly Violation[]): Map<ViolationKind, Violation[]> {
  const byKind = new Map<ViolationKind, Violation[]>();
  for (const kind of violationKinds) {
    const ofKind = violations.filter((violation) => violation.kind === kind);
    if (ofKind.length > 0) byKind.set(kind, ofKind);
  }
  return byKind;
}

function jsonOf(
  counts: CallCounts,
  byKind: ReadonlyMap<ViolationKind, readonly Violation[]>,
  examples: readonly Violation[],
): object {
  const found = violationKinds.map((kind) => [kind, byKind.get(kind)?.length ?? 0] as const);
  return {
    ...counts,
    violations: found.reduce((sum, [, ofKind]) => sum + ofKind, 0),
    byKind: Object.fromEntries(found),
    examples: examples.map(({ kind, session, what, evidence }) => ({
      ...{ kind, session, what },
      evidence: describeEvidence(evidence),
    })),
  };
}

function describe(
  { acknowledged, clears, updates, unknown, refused, loads, failedLoads, sessions }: CallCounts,
  byKind: ReadonlyMap<ViolationKind, readonly Violation[]>,
  examples: readonly Violation[],
): string {
  const recorded =
    `${counted(acknowledged, 'acknowledged save')} (${counted(clears, 'clear')}, ${counted(updates, 'update')}), ` +
    `${count(unknown)} unknown, ${count(refused)} refused; ` +
    `${counted(loads, 'load')} answered, ${count(failedLoads)} failed; ${counted(sessions, 'session')}`;
  if (byKind.size === 0) return `Nothing lost, wrong or stale: ${recorded}.`;
  const rows = examples.map(({ kind, session, what, evidence }) => [
    ...[kind, session, what],
    describeEvidence(evidence).join('; '),
  ]);
  return [
    `${[...byKind].map(([kind, ofKind]) => `${count(ofKind.length)} ${kind}`).join(', ')}: ${recorded}.`,
    '',
    table(['KIND', 'SESSION', 'WHAT', 'EVIDENCE'], rows),
  ].join('\n');
}

/** The calls, to find them in the file, and the versions in the stores. */
function describeEvidence(evidence: Violation['evidence']): string[] {
  return Object.entries(evidence).flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null) return value === undefined ? [] : [`${name}: ${value}`];
    const { proc, n, op, version, state } = value as Record<string, unknown>;
    const call = proc === undefined ? '' : ` ${op} ${n} of ${proc},`;
    const what = state === null ? ' (none)' : '';
    return [`${name}:${call} version ${version ?? 'unknown'}${what}`];
  });
}
