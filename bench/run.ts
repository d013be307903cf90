// npm run bench -- --instructions: what a save costs Redis, in instructions and bytes
// npm run bench -- [--quick] [--profile full|quick|smoke] [--only save,sync] [--out FOLDER]
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reportInstructions } from './instructions/report-instructions.ts';
import { type ProfileName, profiles } from './profiles.ts';
import { describeMachine } from './report/machine.ts';
import type { SuiteRun } from './report/markdown.ts';
import { writeRun } from './report/write-run.ts';
import { startServers } from './servers.ts';
import { isSuite, measureSuite, suites } from './suites/index.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    profile: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string' },
    instructions: { type: 'boolean', default: false },
  },
});
if (values.instructions) {
  console.log(await reportInstructions());
  process.exit(0);
}
const profileName = values.profile ?? (values.quick ? 'quick' : 'full');
const names = values.only?.split(',') ?? Object.keys(suites);
const unknown = [profileName]
  .filter((name) => !isProfile(name))
  .concat(names.filter((name) => !isSuite(name)));
if (unknown.length > 0 || !isProfile(profileName)) {
  console.error(
    `Unknown: ${unknown.join(', ')}. Profiles: ${Object.keys(profiles).join(', ')}. Suites: ${Object.keys(suites).join(', ')}.`,
  );
  process.exit(2);
}
// What is committed is of one full run of everything.
const isWhole = profileName === 'full' && values.only === undefined;
const folder =
  values.out ??
  (isWhole ? join(import.meta.dirname, '../results') : mkdtempSync(join(tmpdir(), 'cauce-bench-')));

const startedMs = performance.now();
const servers = await startServers();
const machine = describeMachine(servers.versions);
const suiteRuns: SuiteRun[] = [];
mkdirSync(folder, { recursive: true });
try {
  for (const name of names.filter(isSuite)) {
    const suiteStartedMs = performance.now();
    const { figures, plots } = await measureSuite(name, servers, profiles[profileName]);
    const seconds = secondsSince(suiteStartedMs);
    const { title } = suites[name];
    suiteRuns.push({
      name,
      title,
      seconds,
      figures: figures.filter((figure) => figure !== undefined),
      plots,
    });
    // After each suite: one that fails takes nothing of the others with it.
    writeRun(folder, { profile: profileName, machine, seconds: secondsSince(startedMs), suites: suiteRuns });
    console.error(`${title}: ${seconds} s`);
  }
} finally {
  await servers.stop();
}
console.log(`Written to ${folder}`);

function secondsSince(ms: number): number {
  return Math.round((performance.now() - ms) / 1000);
}

function isProfile(name: string): name is ProfileName {
  return Object.hasOwn(profiles, name);
}
