/** The sum rule that every float64 reduction follows, so that its bits do not depend on width, threads or back end. */
const kBlock = 65_536;
const kLanes = 16;

/**
 * Sum of term(0) .. term(n-1): blocks of 65,536 terms, in a block 16 lanes (lane = index mod 16) of float64 additions
 * from +0, a halving tree over the lanes, and the blocks added in index order from +0.
 */
export function sumTerms(n: number, term: (index: number) => number): number {
  let total = 0;
  for (let start = 0; start < n; start += kBlock) {
    const lanes = new Float64Array(kLanes);
    const end = Math.min(n, start + kBlock);
    for (let i = start; i < end; i++) lanes[i % kLanes] += term(i);
    for (let half = kLanes / 2; half >= 1; half /= 2)
      for (let lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    total += lanes[0];
  }
  return total;
}
