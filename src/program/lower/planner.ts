/**
 * Places scratch regions in one arena so that regions which are alive at the same time do not overlap.
 *
 * Largest first, each at the lowest free place (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net
 * Inference", greedy by size): within a few percent of the largest live set on the networks here.
 */
export interface Lifetime {
  readonly length: number;
  /** First and last op that touch the region. */
  readonly first: number;
  readonly last: number;
}

export interface ArenaPlan {
  readonly offsets: readonly number[];
  /** Elements of the arena. */
  readonly length: number;
}

/** Elements; 16 float32 are one cache line, and the width of the widest vectors. */
const kAlignment = 16;

export function planArena(regions: readonly Lifetime[]): ArenaPlan {
  const order = regions.map((_, i) => i);
  order.sort((a, b) => regions[b].length - regions[a].length || regions[a].first - regions[b].first || a - b);
  const offsets = new Array<number>(regions.length).fill(0);
  const placed: number[] = [];
  let length = 0;
  for (const i of order) {
    const region = regions[i];
    const rivals = placed
      .filter((j) => regions[j].first <= region.last && regions[j].last >= region.first)
      .sort((a, b) => offsets[a] - offsets[b]);
    let offset = 0;
    for (const j of rivals) {
      if (offset + region.length <= offsets[j]) break;
      offset = Math.max(offset, align(offsets[j] + regions[j].length));
    }
    offsets[i] = offset;
    placed.push(i);
    length = Math.max(length, align(offset + region.length));
  }
  return { offsets, length };
}

function align(n: number): number {
  return Math.ceil(n / kAlignment) * kAlignment;
}
