import { mulHigh32, philox4x32 } from './philox.js';

/**
 * Unbiased integer in [0, bound) at a place: Lemire 2019, "Fast Random Integer Generation in an Interval".
 * Attempt a of the draw with this `index` uses word 0 of the block at counter (a, index, step, site).
 *
 * @param bound - 1 to 2^32 - 1.
 */
export function uniformBelow(
  bound: number,
  key0: number,
  key1: number,
  index: number,
  step: number,
  site: number,
): number {
  const threshold = 0x100000000 % bound;
  for (let attempt = 0; ; attempt++) {
    const [word] = philox4x32(attempt, index, step, site, key0, key1);
    if (Math.imul(word, bound) >>> 0 >= threshold) return mulHigh32(word, bound);
  }
}

/** Fills `out` with a permutation of 0 .. n-1: Fisher-Yates from the last index down, draw i at index i. */
export function permutationU32(
  out: Uint32Array,
  key0: number,
  key1: number,
  step: number,
  site: number,
): void {
  for (let i = 0; i < out.length; i++) out[i] = i;
  for (let i = out.length - 1; i > 0; i--) {
    const j = uniformBelow(i + 1, key0, key1, i, step, site);
    const held = out[i];
    out[i] = out[j];
    out[j] = held;
  }
}
