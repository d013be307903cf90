import type { Call, Row } from '@cauce/history';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { call, findings, hashOf, row } from './evidence.ts';

type Step =
  | { readonly op: 'save' | 'clear' | 'update'; readonly fate: 'ok' | 'fail' | 'applied' | 'dropped' }
  | { readonly op: 'load'; readonly isVersioned: boolean };

const fate = fc.constantFrom('ok', 'ok', 'ok', 'fail', 'applied', 'dropped');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constantFrom('save', 'save', 'clear', 'update'), fate }),
  fc.record({ op: fc.constant('load'), isVersioned: fc.boolean() }),
);

/** One session that does what it is told, one call after the other; few states, so that they repeat. */
function play(steps: readonly Step[]): { calls: Call[]; held: Row | undefined } {
  const calls: Call[] = [];
  let stored: { readonly version: number; readonly state: string | null } | undefined;
  for (const [i, one] of steps.entries()) {
    const times = [i * 10, i * 10 + 5] as const;
    const present = stored?.state ?? null;
    if (one.op === 'load') {
      const isTold = one.isVersioned && present !== null && stored;
      calls.push(call('load', present, times, isTold ? { version: isTold.version } : {}));
      continue;
    }
    const state = one.op === 'clear' ? null : `s${i % 7}`;
    const outcome = one.fate === 'ok' || one.fate === 'fail' ? one.fate : 'unknown';
    calls.push(
      call(one.op, state, outcome === 'unknown' ? [times[0]] : times, {
        outcome,
        ...(outcome === 'ok' ? { version: i + 1 } : {}),
        ...(one.op === 'update' ? { base: present } : {}),
      }),
    );
    if (one.fate === 'ok' || one.fate === 'applied') stored = { version: i + 1, state };
  }
  return { calls, held: stored && row(stored.version, stored.state) };
}

const steps = fc.array(step, { minLength: 1, maxLength: 60 });

it('finds nothing in what a register does that works', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (played, startsEmpty) => {
      const { calls, held } = play(played);
      expect(findings(calls, held, { startsEmpty })).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});

it('finds one load that returned what nobody saved', () => {
  fc.assert(
    fc.property(steps, fc.nat(), (played, pick) => {
      const { calls, held } = play(played);
      const loads = calls.filter(({ op, state }) => op === 'load' && state !== null);
      const target = loads[pick % loads.length];
      fc.pre(target !== undefined);
      const corrupt = calls.map((one) => (one === target ? { ...one, state: hashOf('corrupt') } : one));
      expect(findings(corrupt, held, { startsEmpty: true })).not.toEqual([]);
    }),
    { numRuns: 1000 },
  );
});

it('finds an acknowledged update of what had been replaced', () => {
  fc.assert(
    fc.property(steps, fc.nat(), (played, pick) => {
      const { calls, held } = play(played);
      const updates = calls.filter(({ op, outcome }) => op === 'update' && outcome === 'ok');
      const target = updates[pick % updates.length];
      fc.pre(target !== undefined);
      const corrupt = calls.map((one) => (one === target ? { ...one, base: hashOf('corrupt') } : one));
      expect(findings(corrupt, held, { startsEmpty: true })).not.toEqual([]);
    }),
    { numRuns: 1000 },
  );
});

it('finds a row that is gone, older, or another one, when the last write was acknowledged', () => {
  const corruptions: ((held: Row) => Row | undefined)[] = [
    () => undefined,
    ({ version, state }) => ({ version: version - 1n, state }),
    ({ version }) => ({ version, state: hashOf('corrupt') }),
    ({ version }) => ({ version: version + 1n, state: hashOf('corrupt') }),
  ];
  fc.assert(
    fc.property(steps, fc.constantFrom(...corruptions), (played, corrupt) => {
      const { calls, held } = play([...played, { op: 'save', fate: 'ok' }]);
      if (!held) throw new Error('the last save made a row');
      expect(findings(calls, corrupt(held))).not.toEqual([]);
    }),
    { numRuns: 1000 },
  );
});
