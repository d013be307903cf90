/** Every kind of violation, in the order in which they are printed. */
export const violationKinds = [
  'lost',
  'wrong',
  'unexplained',
  'stale',
  'resurrected',
  'diverged',
  'went back',
  'lost update',
  'disordered',
  'parked',
  'conflicted',
  'stuck',
] as const;

export type ViolationKind = (typeof violationKinds)[number];

export interface Violation {
  readonly kind: ViolationKind;
  /** `tenant:user`, or `*`. */
  readonly session: string;
  readonly what: string;
  /** The calls and what the stores hold; never a state. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** Tells of a violation of one session. */
export type Report = (kind: ViolationKind, what: string, evidence: Violation['evidence']) => void;
