interface Named {
  readonly name: string;
}

/** By the names of the contenders. */
export type Results<Result> = ReadonlyMap<string, readonly Result[]>;

/** @throws Error when there is no such contender */
export function resultsOf<Result>(results: Results<Result>, name: string): readonly Result[] {
  const found = results.get(name);
  if (!found) throw new Error(`nothing was measured of ${name}`);
  return found;
}

/**
 * Measures each contender once a round, in turns: A B C, C B A, A B C … What the machine does besides meets all of
 * them alike, and only figures of one round are compared. The first round warms up and is not counted.
 *
 * @returns the results of each contender, in the order of the rounds
 */
export async function interleave<Contender extends Named, Result>(
  contenders: readonly Contender[],
  { rounds, warmUps = 1 }: { readonly rounds: number; readonly warmUps?: number },
  measure: (contender: Contender) => Promise<Result>,
): Promise<Results<Result>> {
  const results = contenders.map((contender) => ({ contender, of: [] as Result[] }));
  for (let round = -warmUps; round < rounds; round++) {
    const inTurn = round % 2 === 0 ? results : results.toReversed();
    for (const { contender, of } of inTurn) {
      const result = await measure(contender);
      if (round >= 0) of.push(result);
    }
  }
  return new Map(results.map(({ contender, of }) => [contender.name, of]));
}
