// npm run bench -- [--quick] [--profile full|quick|smoke] [--only save,sync] [--out FOLDER]
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { profiles } from './profiles.mjs';
import { describeMachine } from './report/machine.mjs';
import { renderReport } from './report/markdown.mjs';
import { renderPlot } from './report/svg-plot.mjs';
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
const results = [];
try {
  for (const name of names) {
    const suiteStartedMs = performance.now();
    const { figures, plots } = await suites[name].measure(servers, profile[name]);
    const seconds = Math.round((performance.now() - suiteStartedMs) / 100) / 10;
    results.push({ name, title: suites[name].title, seconds, figures: figures.filter(Boolean), plots });
    console.error(`${suites[name].title}: ${seconds} s`);
  }
} finally {
  await servers.stop();
}
const run = {
  profile: profileName,
  machine: describeMachine(servers.versions),
  seconds: Math.round((performance.now() - startedMs) / 1000),
  suites: results,
};
mkdirSync(folder, { recursive: true });
const report = renderReport(run);
writeFileSync(join(folder, 'results.json'), `${JSON.stringify(run, null, 2)}\n`);
writeFileSync(join(folder, 'results.md'), report);
for (const plot of results.flatMap(({ plots }) => plots)) {
  writeFileSync(join(folder, `${plot.name}.svg`), renderPlot(plot));
}
console.log(report);
console.log(`Written to ${folder}`);
