// npm run bench -- [--quick] [--profile full|quick|smoke] [--only save,sync] [--out FOLDER]
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { profiles } from './profiles.mjs';
import { describeMachine } from './report/machine.mjs';
import { writeRun } from './report/write-run.mjs';
import { startServers } from './servers.mjs';
import { suites } from './suites/index.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    profile: { type: 'string' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
});
const profileName = values.profile ?? (values.quick ? 'quick' : 'full');
const profile = profiles[profileName];
const names = values.only?.split(',') ?? Object.keys(suites);
const unknown = [...(profile ? [] : [profileName]), ...names.filter((name) => !suites[name])];
if (unknown.length > 0) {
  console.error(
    `Unknown: ${unknown.join(', ')}. Profiles: ${Object.keys(profiles).join(', ')}. Suites: ${Object.keys(suites).join(', ')}.`,
  );
  process.exit(2);
}
// What is committed is of one full run of everything.
const isWhole = profileName === 'full' && values.only === undefined;
const folder =
  values.out ??
  (isWhole ? join(import.meta.dirname, 'results') : mkdtempSync(join(tmpdir(), 'cauce-bench-')));

const startedMs = performance.now();
const servers = await startServers();
const run = {
  profile: profileName,
  machine: describeMachine(servers.versions),
  seconds: 0,
  suites: [],
};
mkdirSync(folder, { recursive: true });
try {
  for (const name of names) {
    const suiteStartedMs = performance.now();
    const { figures, plots } = await suites[name].measure(servers, profile[name]);
    const seconds = secondsSince(suiteStartedMs);
    run.suites.push({ name, title: suites[name].title, seconds, figures: figures.filter(Boolean), plots });
    run.seconds = secondsSince(startedMs);
    // After each suite: one that fails takes nothing of the others with it.
    writeRun(folder, run);
    console.error(`${suites[name].title}: ${seconds} s`);
  }
} finally {
  await servers.stop();
}
console.log(`Written to ${folder}`);

function secondsSince(ms) {
  return Math.round((performance.now() - ms) / 1000);
}
