/** What was measured of both in one round, in the same unit; undefined: too little for it. */
export interface Round {
  readonly subject: number | undefined;
  readonly reference: number | undefined;
}

/** Over the rounds. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

export type Goal =
  | { readonly atLeast: number; readonly atMost?: never }
  | { readonly atMost: number; readonly atLeast?: never };

/** One line of the results. */
export interface Figure {
  readonly what: string;
  readonly quantity: string;
  readonly subject: string;
  readonly reference: string;
  readonly ratio: Spread;
  readonly measured: { readonly unit: string; readonly subject: number; readonly reference: number };
  readonly goal?: Goal;
}

/** 'higher' when a larger value is better (rows/s), 'lower' when a smaller one is (ms). */
export type Better = 'higher' | 'lower';

/** A quantity by which contenders are compared, and its name among what was measured. */
export interface Quantity<Field extends string> {
  readonly quantity: string;
  readonly field: Field;
  readonly unit: string;
  readonly better: Better;
}

export interface FigureOptions extends Pick<Figure, 'what' | 'quantity' | 'subject' | 'reference'> {
  readonly unit: string;
  readonly better: Better;
  /** Of each round; those that lack one of the two are left out. */
  readonly values: readonly Round[];
  readonly goal?: Goal | undefined;
}

/**
 * A ratio of two things measured in the same round, over several rounds. It is turned so that 2 always means: twice as
 * good as the reference. Undefined when no round has both.
 */
export function toFigure(options: FigureOptions): Figure | undefined {
  const { what, quantity, unit, subject, reference, better, values, goal } = options;
  const complete = values.filter(isComplete);
  const ratios = complete.map((value) =>
    better === 'higher' ? value.subject / value.reference : value.reference / value.subject,
  );
  if (complete.length === 0) return undefined;
  return {
    what,
    quantity,
    subject,
    reference,
    ratio: spreadOf(ratios),
    measured: {
      unit,
      subject: median(complete.map((value) => value.subject)),
      reference: median(complete.map((value) => value.reference)),
    },
    ...(goal ? { goal } : {}),
  };
}

function isComplete(value: Round): value is { readonly subject: number; readonly reference: number } {
  return value.subject !== undefined && value.reference !== undefined;
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    low: Math.min(...values),
    high: Math.max(...values),
    rounds: values.length,
  };
}

/** Undefined when there is no goal. */
export function isReached({ ratio, goal }: Figure): boolean | undefined {
  if (!goal) return undefined;
  return goal.atLeast !== undefined ? ratio.median >= goal.atLeast : ratio.median <= goal.atMost;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [below = Number.NaN, above = Number.NaN] = sorted.slice(middle - 1 + (sorted.length % 2));
  return sorted.length % 2 === 1 ? below : (below + above) / 2;
}

/** What one contender measured in a round. */
export type Measured<Field extends string> = { readonly [Name in Field]?: number | undefined };

/** Pairs what two contenders measured in the same round. */
export function pair<Field extends string>(
  subjects: readonly Measured<Field>[],
  references: readonly Measured<Field>[],
  field: Field,
): Round[] {
  return subjects.map((subject, round) => ({
    subject: subject[field],
    reference: references[round]?.[field],
  }));
}
