/**
 * Asked with growing moments: the highest version among those that had ended by then, or undefined. Clocks of several
 * machines differ by up to `skewUs`, so what ended less than that before does not count.
 */
export function latest<Ended extends { readonly endUs: number; readonly version: bigint }>(
  calls: readonly Ended[],
  skewUs: number,
): (momentUs: number) => Ended | undefined {
  const byEnd = [...calls].sort((a, b) => a.endUs - b.endUs);
  let newest: Ended | undefined;
  let ended = 0;
  return (momentUs) => {
    for (let call = byEnd[ended]; call && call.endUs + skewUs < momentUs; call = byEnd[++ended]) {
      if (!newest || call.version > newest.version) newest = call;
    }
    return newest;
  };
}
