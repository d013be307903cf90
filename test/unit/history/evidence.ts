import { type Cached, type Call, checkHistory, type Evidence, hashState, type Row } from '@cauce/history';

export const SESSION = 'acme:ana';

type Given = Partial<Omit<Call, 'version' | 'state' | 'base' | 'ifVersion'>> & {
  readonly version?: number;
  readonly ifVersion?: number;
  readonly base?: string | null;
};

let calls = 0;

/** A call from `startUs` to `endUs`. States are told apart by a name. */
export function call(
  op: Call['op'],
  state: string | null,
  [startUs, endUs]: readonly number[],
  given: Given = {},
): Call {
  const { version, base, ifVersion, ...rest } = given;
  return {
    ...{ proc: 'bot', n: calls++, op, session: SESSION, outcome: 'ok' },
    startUs: startUs ?? 0,
    endUs: endUs ?? Number.POSITIVE_INFINITY,
    version: version === undefined ? undefined : BigInt(version),
    state: hashOf(state),
    base: base === undefined ? undefined : hashOf(base),
    ifVersion: ifVersion === undefined ? undefined : BigInt(ifVersion),
    opId: undefined,
    isReplay: false,
    ...rest,
  };
}

/** Acknowledged at `version`, which is its end as well. */
export const save = (version: number, state: string, given: Given = {}): Call =>
  call('save', state, [version - 5, version], { version, ...given });
export const clear = (version: number, given: Given = {}): Call =>
  call('clear', null, [version - 5, version], { version, ...given });
export const update = (version: number, base: string | null, state: string, given: Given = {}): Call =>
  call('update', state, [version - 5, version], { version, base, ...given });
/** From `startUs` to 5 µs later. */
export const load = (
  startUs: number,
  version: number | undefined,
  state: string | null,
  given: Given = {},
): Call =>
  call('load', state, [startUs, startUs + 5], { ...given, ...(version === undefined ? {} : { version }) });
/** Sent, and never answered. */
export const unanswered = (op: 'save' | 'clear', startUs: number, state: string | null): Call =>
  call(op, state, [startUs], { outcome: 'unknown' });

export function row(version: number, state: string | null): Row {
  return { version: BigInt(version), state: hashOf(state) };
}

export function cached(version: number, state: string | null, rest: Partial<Cached> = {}): Cached {
  return { ...row(version, state), sync: 'clean', ttlMs: 1000, ...rest };
}

/** What is found, `kind: what`, when this happened to one session and the stores hold this. */
export function findings(
  recorded: readonly Call[],
  held: Row | undefined,
  rest: Partial<Omit<Evidence, 'calls' | 'rows' | 'cached'>> & { cached?: Cached } = {},
): string[] {
  const { cached: inRedis, ...more } = rest;
  const { violations } = checkHistory({
    calls: recorded,
    rows: new Map(held ? [[SESSION, held]] : []),
    cached: [new Map(inRedis ? [[SESSION, inRedis]] : [])],
    ...more,
  });
  return violations.map(({ kind, what }) => `${kind}: ${what}`);
}

export function hashOf(state: string): string;
export function hashOf(state: string | null): string | null;
export function hashOf(state: string | null): string | null {
  return state === null ? null : hashState({ state });
}
