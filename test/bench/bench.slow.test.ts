import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnNode } from '@cauce/dev-services';
import { expect, it, onTestFinished } from 'vitest';

interface Figure {
  readonly what: string;
  readonly quantity: string;
  readonly subject: string;
  readonly reference: string;
  readonly ratio: { median: number; low: number; high: number; rounds: number };
  readonly measured: { unit: string; subject: number; reference: number };
}

interface Run {
  readonly suites: readonly { readonly name: string; readonly figures: readonly Figure[] }[];
}

const program = join(import.meta.dirname, '../../bench/dist/run.js');

// Two minutes on an idle machine: each suite waits 11 s until the floor of a new server has passed. On a busy one a round
// may be too short to measure anything.
it('every benchmark runs and gives ratios, a report and plots', { timeout: 400_000, retry: 1 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cauce-bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const bench = await spawnNode(program, ['--profile', 'smoke', '--out', folder]);
  expect(await bench.exit, bench.output()).toEqual({ code: 0, signal: null });

  const { suites } = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Run;
  expect(suites.map(({ name, figures }) => [name, figures.length > 0])).toEqual(
    [
      ...['save', 'pipeline', 'load', 'sync', 'traffic', 'memory', 'outageMemory'],
      ...['backlogLatency', 'consumerCpu', 'endToEnd', 'growth'],
    ].map((name) => [name, true]),
  );
  for (const figure of suites.flatMap(({ figures }) => figures)) {
    const { ratio, measured } = figure;
    for (const value of [ratio.low, ratio.median, ratio.high, measured.subject, measured.reference]) {
      expect(value, `${figure.what}: ${figure.quantity}`).toBeGreaterThan(0);
      expect(value).toBeLessThan(Number.POSITIVE_INFINITY);
    }
    expect(ratio.low).toBeLessThanOrEqual(ratio.median);
    expect(ratio.median).toBeLessThanOrEqual(ratio.high);
  }

  const report = readFileSync(join(folder, 'results.md'), 'utf8');
  expect(report.match(/^## /gm)).toHaveLength(1 + suites.length);
  const plots = readdirSync(folder).filter((name) => name.endsWith('.svg'));
  expect(plots.length).toBeGreaterThan(0);
  for (const name of plots) {
    expect(report).toContain(`(${name})`);
    expect(readFileSync(join(folder, name), 'utf8')).not.toMatch(/NaN|Infinity|undefined/);
  }
});
