// npm run test:crash -- --seconds 60 --seed 7 [--bots 3] [--consumers 3] [--lossy] [--quiet] [--topology sentinel|cluster]
// npm run test:soak -- --kills 1000: until each process was killed so often
// Real servers, real processes, random faults; then every acknowledged save is looked for. A run of a minute or of
// 100 kills also fails when an event it is meant to provoke never happened. The history of a run that failed is kept.
// --quiet: says little unless it fails. --lossy: also cuts the end off Redis' append-only file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseSessionName, readHistory } from '@cauce/history';
import type { SessionRef } from '@cauce/protocol';
import { checkRun } from './checker/check-run.ts';
import { countConflicts, drain, loadAll, readCache, readRowChanges, readRows } from './collect.ts';
import { fewestKills, mixedDeck, soakDeck } from './decks.ts';
import { evict } from './evict.ts';
import type { StruckFault } from './faults/fault.ts';
import { nowUs, readNames } from './history.ts';
import { rage } from './nemesis.ts';
import { openWorld } from './open-world.ts';
import { openProgress } from './progress.ts';
import { missingEvents, missingFaults, rareEvents } from './rare-events.ts';
import { allSessions } from './sessions.ts';
import { describeFault, summarize, summarizeBriefly } from './summary.ts';
import { type TopologyName, topologies } from './topologies.ts';

const GATE_KILLS = 100;
/** How much longer a run may take on a busy machine until everything has happened that has to. */
const GRACE_MS = 60_000;
const options = readOptions();
const kept: string[] = [];
const printNow = (line: string) => process.stdout.write(`${line}\n`);
/** What a quiet run keeps to itself unless it fails. */
const print = (line: string) => (options.quiet ? kept.push(line) : printNow(line));
const folder = mkdtempSync(join(tmpdir(), 'cauce-crash-'));
const historyFile = join(folder, 'history.jsonl');
writeFileSync(historyFile, '');
let isOk = false;
try {
  isOk = await crash();
} catch (error) {
  print(describe(error));
}
if (isOk) rmSync(folder, { recursive: true });
else {
  for (const line of kept) printNow(line);
  printNow(`FAILED with seed ${options.seed}. The history is in ${historyFile}`);
}
process.exit(isOk ? 0 : 1);

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error.stack ?? error.message, ...(error.cause === undefined ? [] : [describe(error.cause)])].join(
    '\n',
  );
}

async function crash(): Promise<boolean> {
  const { seed, seconds, kills, bots, consumers, lossy } = options;
  const startedUs = nowUs();
  const topology = topologies[options.topology];
  const deck = kills > 0 ? soakDeck({ isLossy: lossy }) : mixedDeck({ isLossy: lossy, topology });
  const expected = [...rareEvents, ...topology.rareEvents];
  const length = kills > 0 ? `${kills} SIGKILLs of each process` : `${seconds} s`;
  printNow(`${options.topology}, seed ${seed}, ${length}, ${bots} bots, ${consumers} consumers`);
  const world = await openWorld({ historyFile, startedUs, bots, consumers, topology });
  // Ctrl-C: what was started goes with this process.
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  try {
    await Promise.all([world.consumers.startAll(), world.bots.startAll()]);
    const stopEvicting = new AbortController();
    const evicting = evict(world, { startedUs, signal: stopEvicting.signal });
    const endsAtMs = Date.now() + seconds * 1000;
    const isGated = kills > 0 ? kills >= GATE_KILLS : seconds >= topology.gateSeconds;
    const findMissing = (faults: readonly StruckFault[]) => {
      world.bots.listen();
      world.consumers.listen();
      return [...missingEvents(world.seen, expected), ...missingFaults(deck, faults)];
    };
    const isOver = (faults: readonly StruckFault[]) => {
      if (kills > 0) return fewestKills(faults) >= kills;
      const lateMs = Date.now() - endsAtMs;
      if (lateMs < 0 || !isGated || lateMs > GRACE_MS) return lateMs >= 0;
      return findMissing(faults).length === 0;
    };
    const progress = kills > 0 ? openProgress({ kills, print: printNow }) : undefined;
    const log = await rage(world, {
      ...{ seed, deck, startedUs, isOver },
      onFault: (fault) => (progress ? progress.struck(fault) : print(describeFault(fault))),
    });
    progress?.close();
    stopEvicting.abort();
    await evicting;
    await world.bots.stopAll(10_000);

    const { stillDirty, drainMs } = await drain(world);
    const sessions = allSessions(startedUs);
    const caches = [await readCache(world, sessions)];
    await loadAll(world, sessions, historyFile);
    caches.push(await readCache(world, sessions));
    const parked = (await world.countParked()) + world.parkedWrongly.size;
    await world.consumers.stopAll(12_000);

    const { stateOf, restated, unanswered } = readNames(historyFile);
    const verdict = checkRun({
      ...(await readHistory([historyFile])),
      ...(await readRows(world, sessions)),
      rowChanges: await readRowChanges(world, stateOf),
      conflicts: await countConflicts(world),
      restarts: log.flatMap(({ redisRestart }) => redisRestart ?? []),
      isUnconfirmed: ({ proc, startUs, endUs }) =>
        unanswered.some(
          (one) => proc.startsWith(`${one.proc}.`) && one.sinceUs < endUs && one.untilUs > startUs,
        ),
      partitionOf: (session) => world.keyspace.locate(toRef(session)).partition,
      ...{ restated, cached: caches, parked, stillDirty },
    });
    const missing = isGated ? findMissing(log) : [];
    const diedAlone = [...world.bots.diedAlone, ...world.consumers.diedAlone];
    const outcome = { log, verdict, seen: world.seen, expected, drainMs, missing, diedAlone };
    print(summarize(outcome));
    const isOk = verdict.violations.length === 0 && missing.length === 0 && diedAlone.length === 0;
    if (options.quiet && isOk) printNow(summarizeBriefly(outcome));
    return isOk;
  } finally {
    await world.close();
  }
}

interface RunOptions {
  readonly topology: TopologyName;
  readonly seconds: number;
  readonly seed: number;
  readonly bots: number;
  readonly consumers: number;
  /** Of each process; 0: the run ends after `seconds`. */
  readonly kills: number;
  readonly lossy: boolean;
  readonly quiet: boolean;
}

function readOptions(): RunOptions {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      bots: { type: 'string', default: '3' },
      consumers: { type: 'string', default: '3' },
      kills: { type: 'string', default: '0' },
      lossy: { type: 'boolean', default: false },
      topology: { type: 'string', default: 'single' },
      quiet: { type: 'boolean', default: false },
    },
  });
  const { topology, lossy, quiet } = values;
  if (!isTopology(topology)) throw new Error(`--topology is one of ${Object.keys(topologies).join(', ')}`);
  if (topology !== 'single' && (values.kills !== '0' || values.lossy))
    throw new Error('--kills and --lossy are for a single server');
  const [seconds, seed, kills] = [Number(values.seconds), Number(values.seed), Number(values.kills)];
  const [bots, consumers] = [Number(values.bots), Number(values.consumers)];
  return { topology, seconds, seed, kills, bots, consumers, lossy, quiet };
}

/** Of what the history names a session. */
function toRef(session: string): SessionRef {
  const ref = parseSessionName(session);
  if (!ref) throw new Error(`${session} names no session`);
  return ref;
}

function isTopology(name: string): name is TopologyName {
  return Object.hasOwn(topologies, name);
}
