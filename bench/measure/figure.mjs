/**
 * One line of the results: a ratio of two things measured in the same round, over several rounds.
 *
 * @param values of each round: `{ subject, reference }`, in the same unit; rounds that lack one are left out
 * @param better 'higher' when a larger value is better (rows/s), 'lower' when a smaller one is (ms). The ratio is turned
 *   so that 2 always means: twice as good as the reference
 * @param goal `{ atLeast }` or `{ atMost }`
 */
export function toFigure({ what, quantity, unit, subject, reference, better, values, goal }) {
  const complete = values.filter((value) => value.subject !== undefined && value.reference !== undefined);
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

export function spreadOf(values) {
  return {
    median: median(values),
    low: Math.min(...values),
    high: Math.max(...values),
    rounds: values.length,
  };
}

/** Undefined when there is no goal. */
export function isReached({ ratio, goal }) {
  if (!goal) return undefined;
  return goal.atLeast !== undefined ? ratio.median >= goal.atLeast : ratio.median <= goal.atMost;
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Pairs what two contenders measured in the same round. */
export function pair(subjects, references, quantity) {
  return subjects.map((subject, round) => ({
    subject: subject[quantity],
    reference: references[round]?.[quantity],
  }));
}
