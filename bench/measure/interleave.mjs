/**
 * Measures each contender once a round, in turns: A B C, C B A, A B C … What the machine does besides meets all of
 * them alike, and only figures of one round are compared. The first round warms up and is not counted.
 *
 * @param measure `(contender, round) => result`
 * @returns the results of each contender by its name, in the order of the rounds
 */
export async function interleave(contenders, { rounds, warmUps = 1 }, measure) {
  const results = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = -warmUps; round < rounds; round++) {
    const inTurn = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of inTurn) {
      const result = await measure(contender, round);
      if (round >= 0) results.get(contender.name).push(result);
    }
  }
  return results;
}
