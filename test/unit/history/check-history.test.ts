import { type Call, checkHistory } from '@cauce/history';
import { describe, expect, it } from 'vitest';
import {
  cached,
  call,
  clear,
  findings,
  hashOf,
  load,
  row,
  SESSION,
  save,
  unanswered,
  update,
} from './evidence.ts';

const gone = 'lost: acknowledged, and there is no row';
const older = 'lost: the row is older than the newest acknowledged save';
const stale = 'stale: by a load';
const fresh = { startsEmpty: true };

describe('a row', () => {
  it('is the newest acknowledged save, or one whose outcome nobody knows', () => {
    expect(findings([save(10, 'a'), save(20, 'b')], row(20, 'b'))).toEqual([]);
    expect(findings([save(10, 'a'), unanswered('save', 15, 'b')], row(20, 'b'))).toEqual([]);
    expect(findings([save(10, 'a'), unanswered('clear', 15, null)], row(20, null))).toEqual([]);
    expect(findings([save(10, 'a'), clear(20)], row(20, null))).toEqual([]);
    expect(findings([unanswered('save', 1, 'a')], undefined)).toEqual([]);
  });

  it('is lost when it is missing or older', () => {
    expect(findings([save(10, 'a')], undefined)).toEqual([gone]);
    expect(findings([save(10, 'a'), save(20, 'b')], row(10, 'a'))).toEqual([older]);
    expect(findings([save(10, 'a'), clear(20)], row(10, 'a'))).toEqual([older]);
    const seen = [save(10, 'a'), unanswered('save', 12, 'b'), load(30, 20, 'b')];
    expect(findings(seen, row(10, 'a'))).toEqual(['lost: the row is older than what a load found']);
  });

  it('is not lost when the purge may have taken it', () => {
    expect(findings([save(10, 'a')], undefined, { purgedBefore: 11n })).toEqual([]);
    expect(findings([save(10, 'a')], undefined, { purgedBefore: 10n })).toEqual([gone]);
  });

  it('is wrong when it has the version and not the state, unexplained when nobody saved it', () => {
    expect(findings([save(10, 'a')], row(10, 'b'))).toEqual(['wrong: in the row']);
    expect(findings([save(10, 'a')], row(10, null))).toEqual(['wrong: in the row']);
    expect(findings([save(10, 'a')], row(11, 'b'))).toEqual(['unexplained: in the row']);
    expect(findings([save(10, 'a')], row(11, 'a'))).toEqual(['unexplained: in the row']);
    const refused = call('save', 'b', [12, 15], { outcome: 'fail' });
    expect(findings([save(10, 'a'), refused], row(14, 'b'))).toEqual(['unexplained: in the row']);
  });

  it('is resurrected when it was deleted', () => {
    expect(findings([save(10, 'a'), clear(20)], row(21, 'a'))).toEqual(['resurrected: in the row']);
    expect(findings([save(10, 'a'), clear(20), unanswered('save', 21, 'a')], row(21, 'a'))).toEqual([]);
  });

  it('may be behind a dirty session, which then must be what was acknowledged', () => {
    const calls = [save(10, 'a'), save(20, 'b')];
    const behind = (version: number, state: string, sync: 'dirty' | 'parked' | 'forgotten') =>
      findings(calls, row(10, 'a'), { cached: cached(version, state, { sync }) });
    expect(behind(20, 'b', 'dirty')).toEqual(['stuck: still dirty']);
    expect(behind(20, 'b', 'parked')).toEqual(['parked: PostgreSQL refuses it']);
    expect(behind(20, 'b', 'forgotten')).toEqual([older, 'diverged: dirty, though nothing is announced']);
    expect(behind(10, 'a', 'dirty')).toEqual([older, 'stuck: still dirty']);
    expect(behind(20, 'c', 'parked')).toEqual(['wrong: in the row', 'parked: PostgreSQL refuses it']);
  });
});

describe('Redis', () => {
  it('has no session, or the row, and lets it expire', () => {
    const calls = [save(10, 'a')];
    const held = row(10, 'a');
    expect(findings(calls, held, { cached: cached(10, 'a') })).toEqual([]);
    const disagree = 'diverged: Redis and PostgreSQL do not agree';
    expect(findings(calls, held, { cached: cached(10, 'b') })).toEqual([disagree]);
    expect(findings(calls, held, { cached: cached(9, 'a') })).toEqual([disagree]);
    expect(findings(calls, held, { cached: cached(10, 'a', { ttlMs: -1 }) })).toEqual([
      'diverged: clean, and never expires',
    ]);
    expect(findings([clear(10)], row(10, null), { cached: cached(9, 'a') })).toEqual([
      'resurrected: Redis and PostgreSQL do not agree',
    ]);
    expect(findings(calls, undefined, { cached: cached(10, 'a'), purgedBefore: 20n })).toEqual([]);
  });
});

describe('a load', () => {
  const calls = [save(10, 'a'), save(20, 'b')];

  it('returns what was acknowledged before it began, or newer', () => {
    expect(findings([...calls, load(21, 20, 'b')], row(20, 'b'))).toEqual([]);
    expect(findings([...calls, load(18, 10, 'a')], row(20, 'b'))).toEqual([]);
    expect(findings([...calls, load(20, 10, 'a')], row(20, 'b'))).toEqual([]);
    expect(findings([...calls, load(21, 10, 'a')], row(20, 'b'))).toEqual([stale]);
    expect(findings([...calls, load(21, undefined, 'b')], row(20, 'b'))).toEqual([]);
    expect(findings([...calls, load(21, undefined, 'a')], row(20, 'b'))).toEqual([stale]);
  });

  it('returns what another load saw, or newer', () => {
    const unknown = [save(10, 'a'), unanswered('save', 12, 'b'), load(20, 15, 'b')];
    expect(findings([...unknown, load(30, 15, 'b')], row(15, 'b'))).toEqual([]);
    expect(findings([...unknown, load(25, 10, 'a')], row(15, 'b'))).toEqual([]);
    expect(findings([...unknown, load(26, 10, 'a')], row(15, 'b'))).toEqual([stale]);
  });

  it('finds nothing only before the first save and after a clear', () => {
    const nothing = 'stale: a load found no session';
    expect(findings([save(10, 'a'), load(8, undefined, null)], row(10, 'a'))).toEqual([]);
    expect(findings([save(10, 'a'), load(11, undefined, null)], row(10, 'a'))).toEqual([nothing]);
    expect(findings([save(10, 'a'), clear(20), load(21, undefined, null)], row(20, null))).toEqual([]);
    expect(findings([save(10, 'a'), clear(30), load(26, undefined, null)], row(30, null))).toEqual([]);
    expect(findings([save(10, 'a'), clear(30), load(11, undefined, null)], row(30, null))).toEqual([nothing]);
    const maybe = [save(10, 'a'), unanswered('clear', 12, null), load(20, undefined, null)];
    expect(findings(maybe, row(10, 'a'))).toEqual([]);
    expect(findings([save(10, 'a'), load(11, undefined, null)], undefined, { purgedBefore: 11n })).toEqual(
      [],
    );
  });

  it('does not find what was deleted', () => {
    const back = 'resurrected: by a load';
    expect(findings([save(10, 'a'), clear(20), load(21, 10, 'a')], row(20, null))).toEqual([back]);
    expect(findings([save(10, 'a'), clear(20), load(19, 10, 'a')], row(20, null))).toEqual([]);
    expect(findings([save(10, 'a'), clear(20), load(21, undefined, 'a')], row(20, null))).toEqual([back]);
  });

  it('finds what somebody saved', () => {
    expect(findings([save(10, 'a'), load(11, 10, 'b')], row(10, 'a'))).toEqual([
      'wrong: nobody saved what a load found',
    ]);
    expect(findings([save(10, 'a'), load(11, 12, 'a')], row(10, 'a'))).toContain(
      'wrong: nobody saved what a load found',
    );
  });

  it('is compared with the highest version, not with the last answer', () => {
    const overtaken = [save(20, 'b'), call('save', 'c', [9, 25], { version: 12 })];
    expect(findings([...overtaken, load(26, 12, 'c')], row(20, 'b'))).toEqual([stale]);
    const same = [save(20, 'a'), call('save', 'a', [16, 25], { version: 17 })];
    expect(findings([...same, load(30, undefined, 'a')], row(20, 'a'))).toEqual([]);
  });

  it('does not find what was refused, or what is there instead of a clear', () => {
    const refused = call('save', 'b', [12, 15], { outcome: 'fail' });
    const wrong = ['wrong: nobody saved what a load found'];
    expect(findings([save(10, 'a'), refused, load(21, undefined, 'b')], row(10, 'a'), fresh)).toEqual(wrong);
    const cleared = [unanswered('save', 12, 'b'), clear(20)];
    expect(findings([...cleared, load(21, 20, 'b')], row(20, null))).toEqual(['resurrected: by a load']);
  });

  it('that failed says nothing', () => {
    expect(findings([...calls, load(21, undefined, null, { outcome: 'fail' })], row(20, 'b'))).toEqual([]);
  });

  it('of another machine is compared only beyond the skew of the clocks', () => {
    const skewed = (startUs: number) =>
      findings([...calls, load(startUs, 10, 'a')], row(20, 'b'), { clockSkewUs: 100 });
    expect(skewed(120)).toEqual([]);
    expect(skewed(121)).toEqual([stale]);
  });
});

describe('what stood there before the history began', () => {
  it('is what the first load found, until the first save', () => {
    const found = load(1, 5, 'past');
    expect(findings([found], row(5, 'past'))).toEqual([]);
    expect(findings([found, save(10, 'a')], row(10, 'a'))).toEqual([]);
    expect(findings([found, update(10, 'past', 'a')], row(10, 'a'))).toEqual([]);
    expect(findings([save(10, 'a')], row(10, 'a'))).toEqual([]);
    expect(findings([load(1, undefined, 'past'), load(10, 5, 'past')], row(5, 'past'))).toEqual([]);
    expect(findings([load(1, undefined, null, { outcome: 'fail' })], row(5, 'past'))).toEqual([]);
  });

  it('is one state, older than every save', () => {
    const wrong = 'wrong: nobody saved what a load found';
    expect(findings([load(1, 5, 'past'), load(10, 6, 'other')], row(6, 'other'))).toEqual([
      'unexplained: in the row',
      wrong,
    ]);
    expect(findings([save(10, 'a'), load(8, 11, 'past'), save(20, 'b')], row(20, 'b'))).toEqual([wrong]);
    expect(findings([load(1, 5, 'past'), save(10, 'a'), load(11, 5, 'past')], row(10, 'a'))).toEqual([stale]);
    expect(
      findings([load(1, undefined, 'past'), save(10, 'a'), load(11, undefined, 'past')], row(10, 'a')),
    ).toEqual([stale]);
  });

  it('is nothing where everything began with the history', () => {
    expect(findings([load(1, 5, 'past')], row(5, 'past'), fresh)).toEqual([
      'unexplained: in the row',
      'wrong: nobody saved what a load found',
    ]);
    expect(findings([update(10, 'past', 'a')], row(10, 'a'), fresh)).toHaveLength(1);
  });
});

describe('versions', () => {
  it('are distinct and grow', () => {
    expect(findings([save(10, 'a'), save(10, 'b')], row(10, 'b'))).toEqual([
      'disordered: two writes have one version',
    ]);
    const late = call('save', 'b', [30, 35], { version: 15 });
    expect(findings([save(20, 'a'), late], row(20, 'a'))).toEqual([
      'disordered: a later write got an older version',
    ]);
    const atOnce = call('save', 'b', [19, 35], { version: 15 });
    expect(findings([save(20, 'a'), atOnce], row(20, 'a'))).toEqual([]);
  });

  it('of a repeated save are the first one', () => {
    const first = save(10, 'a', { opId: 'op' });
    const again = { opId: 'op', isReplay: true };
    const replay = call('save', 'a', [30, 35], { version: 10, ...again });
    expect(findings([first, save(20, 'b'), replay], row(20, 'b'))).toEqual([]);
    const unknown = { ...unanswered('save', 5, 'a'), opId: 'op' };
    expect(findings([unknown, save(20, 'b'), replay], row(20, 'b'))).toEqual([]);
    expect(findings([replay], row(10, 'a'))).toEqual([]);
    const other = call('save', 'a', [30, 35], { version: 11, ...again });
    expect(findings([first, save(20, 'b'), other], row(20, 'b'))).toEqual([
      'wrong: an op id was answered with two versions',
    ]);
    const counts = checkHistory({ calls: [first, replay], rows: new Map(), cached: [] }).counts;
    expect(counts).toMatchObject({ acknowledged: 1, unknown: 0 });
  });
});

describe('an update', () => {
  const lost = 'lost update: what was saved meanwhile is gone';

  it('changes what stood before it', () => {
    expect(findings([save(10, 'a'), update(20, 'a', 'b')], row(20, 'b'), fresh)).toEqual([]);
    expect(findings([update(20, null, 'b')], row(20, 'b'), fresh)).toEqual([]);
    expect(findings([save(10, 'a'), clear(15), update(20, null, 'b')], row(20, 'b'), fresh)).toEqual([]);
    expect(findings([save(10, 'a'), save(15, 'b'), update(20, 'a', 'c')], row(20, 'c'))).toEqual([lost]);
    expect(findings([save(10, 'a'), update(20, null, 'c')], row(20, 'c'))).toEqual([lost]);
    expect(findings([save(10, 'a'), clear(15), update(20, 'a', 'c')], row(20, 'c'))).toEqual([lost]);
  });

  it('may change what nobody knows the outcome of', () => {
    const calls = [save(10, 'a'), unanswered('save', 12, 'b'), save(15, 'c'), update(20, 'b', 'd')];
    expect(findings(calls, row(20, 'd'))).toEqual([]);
    const cleared = [save(10, 'a'), unanswered('clear', 12, null), update(20, null, 'd')];
    expect(findings(cleared, row(20, 'd'))).toEqual([]);
  });

  it('by ifVersion has nothing between that version and its own', () => {
    const conditional = save(20, 'c', { ifVersion: 10 });
    expect(findings([save(10, 'a'), conditional], row(20, 'c'))).toEqual([]);
    expect(findings([save(10, 'a'), save(15, 'b'), conditional], row(20, 'c'))).toEqual([lost]);
  });

  it("by ifVersion '0' has no session before it, in whatever store", () => {
    const created = save(20, 'c', { ifVersion: 0 });
    expect(findings([created], row(20, 'c'))).toEqual([]);
    expect(findings([save(10, 'a'), created], row(20, 'c'))).toEqual([lost]);
    expect(findings([save(10, 'a'), clear(15), created], row(20, 'c'))).toEqual([]);
    expect(findings([save(10, 'a'), unanswered('clear', 12, null), created], row(20, 'c'))).toEqual([]);
    expect(findings([save(10, 'a'), created], row(20, 'c'), { purgedBefore: 15n })).toEqual([]);
  });

  it('counts', () => {
    const calls = [
      update(10, null, 'a'),
      update(20, 'a', 'b'),
      call('update', 'c', [21], { outcome: 'unknown' }),
    ];
    const counted = (counter: number) =>
      findings(calls, row(20, 'b'), { counters: new Map([[SESSION, counter]]) });
    const sum = 'lost update: the counter does not add up';
    expect([1, 2, 3, 4].map(counted)).toEqual([[sum], [], [], [sum]]);
  });
});

describe("a row's changes", () => {
  const change = (
    operation: 'INSERT' | 'UPDATE' | 'DELETE',
    version: number,
    state: string | null | undefined,
  ) => ({
    ...{ operation, version: BigInt(version) },
    state: state === undefined ? undefined : hashOf(state),
  });
  const found = (...changes: ReturnType<typeof change>[]) =>
    findings([save(10, 'a'), save(20, 'b'), clear(30)], row(30, null), {
      rowChanges: new Map([[SESSION, changes]]),
    });

  it('go up, and are what was saved', () => {
    expect(found(change('INSERT', 10, 'a'), change('UPDATE', 30, null))).toEqual([]);
    expect(found(change('INSERT', 20, 'b'), change('UPDATE', 10, 'a'))).toEqual([
      'went back: the row got an older version',
    ]);
    expect(found(change('INSERT', 10, 'a'), change('UPDATE', 10, 'a'))).toHaveLength(1);
    expect(found(change('INSERT', 10, 'a'), change('DELETE', 10, 'a'))).toEqual([
      'went back: the row was deleted',
    ]);
    const nobody = 'wrong: nobody saved what the row held';
    expect(found(change('INSERT', 10, 'b'))).toEqual([nobody]);
    expect(found(change('INSERT', 10, undefined))).toEqual([nobody]);
  });
});

describe('a Redis that was killed', () => {
  const killed = { restarts: [{ killedUs: 30, floors: ['15'] }], partitionOf: () => 0 };

  it('may have forgotten what its version floor does not know', () => {
    const calls = [save(10, 'a'), save(20, 'b'), load(21, 20, 'b')];
    expect(findings(calls, row(10, 'a'))).toContain(older);
    expect(findings(calls, row(10, 'a'), killed)).toEqual([]);
    expect(findings(calls, row(20, 'b'), killed)).toEqual([]);
    expect(findings(calls, undefined, killed)).toEqual([gone]);
    // After the restart.
    expect(findings([...calls, save(40, 'c')], row(20, 'b'), killed)).toEqual([older]);
  });

  it('tells by a session it still has what of it is lost, whatever the floor is', () => {
    const calls = [save(10, 'a'), save(20, 'b')];
    const [{ session = '' } = {}] = calls;
    const held = (version: bigint) => ({
      restarts: [{ killedUs: 30, floors: ['99'], heldVersions: new Map([[session, version]]) }],
      partitionOf: () => 0,
    });
    expect(findings(calls, row(10, 'a'), held(10n))).toEqual([]);
    expect(findings(calls, row(10, 'a'), held(20n))).toContain(older);
  });

  it('never had saves that a replica or PostgreSQL had', () => {
    for (const durability of ['replica', 'postgres'] as const) {
      const calls = [save(10, 'a'), save(20, 'b', { durability })];
      expect(findings(calls, row(20, 'b'), killed)).toEqual([]);
      expect(findings(calls, row(10, 'a'), killed)).toContain(older);
    }
  });

  it('may have lost what was under way since its replica was behind, and nothing else', () => {
    const promoted = { restarts: [{ lostSinceUs: 18, killedUs: 30, floors: ['0'] }], partitionOf: () => 0 };
    const after = (...calls: Call[]) => findings([save(10, 'a'), ...calls], row(10, 'a'), promoted);
    expect(after(save(20, 'b'))).toEqual([]);
    // The bot was asleep when the answer came.
    expect(after(call('save', 'b', [29, 90], { version: 20 }))).toEqual([]);
    expect(after(call('save', 'b', [31, 90], { version: 20 }))).toEqual([older]);
    expect(after(save(17, 'b'))).toEqual([older]);
    const elsewhere = { ...promoted, restarts: [{ lostSinceUs: 18, killedUs: 30, floors: ['99'] }] };
    expect(findings([save(10, 'a'), save(20, 'b')], row(10, 'a'), elsewhere)).toEqual([older]);
  });

  it('may be missed by a load that could not ask PostgreSQL, and by no other', () => {
    const seen = (isUnconfirmed: boolean, base: string) =>
      findings(
        [
          save(10, 'a'),
          save(15, 'b', { durability: 'replica' }),
          update(20, 'b', 'c', { durability: 'postgres' }),
          load(40, base === 'b' ? 15 : 10, base),
          update(60, base, 'd'),
        ],
        row(60, 'd'),
        { restarts: [{ lostSinceUs: 18, killedUs: 30, floors: ['0'] }], isUnconfirmed: () => isUnconfirmed },
      );
    expect(seen(true, 'b')).toEqual([]);
    expect(seen(false, 'b')).toEqual(['stale: by a load', 'lost update: what was saved meanwhile is gone']);
    // A replica had this one.
    expect(seen(true, 'a')).toHaveLength(2);
  });

  it('is the only reason for a conflict', () => {
    expect(findings([save(10, 'a')], row(10, 'a'), { conflicts: 1 })).toEqual([
      'conflicted: 1 saves lost to a newer row',
    ]);
    expect(findings([save(20, 'a')], row(20, 'a'), { ...killed, conflicts: 1 })).toEqual([]);
  });
});

it('a state that was moved to another version is explained there', () => {
  const moved = { restated: new Set([hashOf('a')]) };
  expect(findings([save(10, 'a')], row(99, 'a'))).toEqual(['unexplained: in the row']);
  expect(findings([save(10, 'a')], row(99, 'a'), moved)).toEqual([]);
});

it('a save may be above its version once Redis lost data, and nowhere else', () => {
  const lost = { restarts: [{ lostSinceUs: 18, killedUs: 30, floors: ['0'] }] };
  const calls = [save(10, 'a'), save(20, 'b'), save(40, 'c'), save(50, 'd')];
  expect(findings(calls, row(99, 'd'))).toEqual(['unexplained: in the row']);
  expect(findings(calls, row(99, 'd'), lost)).toEqual([]);
  expect(findings(calls, row(99, 'nobody'), lost)).toEqual(['unexplained: in the row']);
  expect(findings([...calls, save(99, 'e')], row(99, 'd'), lost)).toEqual(['wrong: in the row']);
});

it('what is wrong with the whole is reported once', () => {
  expect(findings([save(10, 'a')], row(10, 'a'), { parked: 2, stillDirty: 3 })).toEqual([
    'parked: 2 sessions were parked, though PostgreSQL was only away (P9)',
    'stuck: 3 sessions are still dirty, though everything was healed',
  ]);
});
