// npm run test:crash -- --seconds 60 --seed 7 [--bots 3] [--consumers 3]
// Real servers, real processes, random faults; then every acknowledged save is looked for. A run of a minute or more
// also fails when an event it is meant to provoke never happened. The history of a run that failed is kept.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkRun } from './checker/check-run.mjs';
import { countConflicts, drain, loadAll, readCache, readRowChanges, readRows } from './collect.mjs';
import { evict } from './evict.mjs';
import { nowUs, readHistory } from './history.mjs';
import { rage } from './nemesis.mjs';
import { missingEvents } from './rare-events.mjs';
import { allSessions, isCounter, refOf } from './sessions.mjs';
import { describeFault, summarize } from './summary.mjs';
import { openWorld } from './world.mjs';

const GATE_SECONDS = 60;
const print = (line) => process.stdout.write(`${line}\n`);
const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), 'cauce-crash-'));
const historyFile = join(folder, 'history.jsonl');
writeFileSync(historyFile, '');
let isOk = false;
try {
  isOk = await crash();
} catch (error) {
  print(error.stack);
  if (error.cause) print(error.cause.stack);
}
if (isOk) rmSync(folder, { recursive: true });
else print(`FAILED with seed ${options.seed}. The history is in ${historyFile}`);
process.exit(isOk ? 0 : 1);

async function crash() {
  const { seed, seconds, bots, consumers } = options;
  const startedUs = nowUs();
  print(`seed ${seed}, ${seconds} s, ${bots} bots, ${consumers} consumers`);
  const world = await openWorld({ historyFile, startedUs, bots, consumers });
  // Ctrl-C: what was started goes with this process.
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  try {
    await Promise.all([world.consumers.startAll(), world.bots.startAll()]);
    const stopEvicting = new AbortController();
    const evicting = evict(world, { startedUs, signal: stopEvicting.signal });
    const log = await rage(world, {
      ...{ seed, seconds, startedUs },
      onFault: (fault) => print(describeFault(fault)),
    });
    stopEvicting.abort();
    await evicting;
    await world.bots.stopAll(10_000);

    const { stillDirty, drainMs } = await drain(world);
    const sessions = allSessions(startedUs);
    const caches = [await readCache(world, sessions)];
    await loadAll(world, sessions, historyFile);
    caches.push(await readCache(world, sessions));
    const parked = await world.countParked();
    await world.consumers.stopAll(12_000);

    const verdict = checkRun({
      calls: readHistory(historyFile),
      rows: await readRows(world),
      rowChanges: await readRowChanges(world),
      conflicts: await countConflicts(world),
      restarts: log.flatMap(({ redisRestart }) => redisRestart ?? []),
      partitionOf: (key) => world.keyspace.locate(refOf(key)).partition,
      ...{ caches, parked, stillDirty, isCounter },
    });
    const missing = seconds >= GATE_SECONDS ? missingEvents(world.seen) : [];
    const diedAlone = [...world.bots.diedAlone, ...world.consumers.diedAlone];
    print(summarize({ log, verdict, seen: world.seen, drainMs, missing, diedAlone }));
    return verdict.violations.length === 0 && missing.length === 0 && diedAlone.length === 0;
  } finally {
    await world.close();
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      bots: { type: 'string', default: '3' },
      consumers: { type: 'string', default: '3' },
    },
  });
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
}
