/** Exact magnitudes at given ranks from two passes of counting: O(n), nothing sorted, no value kept. */
import type { Kernels } from '../../kernels/kernels.js';

/** 13 bits of the 31 fill the first-level cache with counters; the other 18 are counted for the values that share them, a few per cent. */
const kFirstDigits = 1 << 13;
const kSecondDigits = 1 << 18;
const kSecondBits = 18;
const kFirstInfinite = 0x7f800000 >>> kSecondBits;

export interface Ranked {
  /** Bits of the magnitude at the rank. */
  readonly bits: number;
  /** How many of the elements with this very magnitude have this rank or a better one. */
  readonly ties: number;
}

interface Search {
  /** Rank counted from the largest, from 1; within the digit after the first pass. */
  rank: number;
  prefix: number;
}

/** Finds the elements of given ranks (1 is the largest magnitude) among differences to a base. */
export class RankSearch {
  private first = new Uint32Array(kFirstDigits);
  private readonly second = new Map<number, Uint32Array>();
  private searches: Search[] = [];

  constructor(private readonly kernels: Kernels) {}

  /** First pass. @returns whether a value was not finite so far. */
  countFirst(x: Float32Array, base: Float32Array): boolean {
    this.kernels.countMagnitudesU32(this.first, x, base, 0, 31, kSecondBits, kFirstDigits);
    for (let digit = kFirstInfinite; digit < kFirstDigits; digit++) if (this.first[digit] > 0) return true;
    return false;
  }

  /** @param ranks - from 1 to the number of elements. */
  endFirst(ranks: readonly number[]): void {
    this.searches = ranks.map((rank) => ({ rank, prefix: 0 }));
    for (const search of this.searches) {
      search.prefix = descend(this.first, search);
      if (!this.second.has(search.prefix)) this.second.set(search.prefix, new Uint32Array(kSecondDigits));
    }
    this.first = new Uint32Array(0);
  }

  countSecond(x: Float32Array, base: Float32Array): void {
    for (const [prefix, counts] of this.second)
      this.kernels.countMagnitudesU32(counts, x, base, prefix, kSecondBits, 0, kSecondDigits);
  }

  /** What was found for each rank, in order. */
  endSecond(): Ranked[] {
    const found = this.searches.map((search) => {
      const counts = this.second.get(search.prefix) ?? new Uint32Array(kSecondDigits);
      const digit = descend(counts, search);
      return { bits: search.prefix * kSecondDigits + digit, ties: search.rank };
    });
    this.second.clear();
    return found;
  }
}

/** The digit in which the rank lies, from the top; the rank becomes that within the digit. */
function descend(counts: Uint32Array, search: Search): number {
  let digit = counts.length - 1;
  while (digit > 0 && search.rank > counts[digit]) search.rank -= counts[digit--];
  return digit;
}
