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

/** Counters of the second pass, 1 MiB each, that no search uses: new ones for every tensor would cost more than the counting. */
const spareCounters: Uint32Array[] = [];

function takeCounters(): Uint32Array {
  return spareCounters.pop()?.fill(0) ?? new Uint32Array(kSecondDigits);
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
  private readonly found = new Uint32Array(2);

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
      search.prefix = this.descend(this.first, search);
      if (!this.second.has(search.prefix)) this.second.set(search.prefix, takeCounters());
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
      const counts = this.second.get(search.prefix);
      const digit = counts ? this.descend(counts, search) : 0;
      return { bits: search.prefix * kSecondDigits + digit, ties: search.rank };
    });
    spareCounters.push(...this.second.values());
    this.second.clear();
    return found;
  }

  /** The digit in which the rank lies, from the top; the rank becomes that within the digit. */
  private descend(counts: Uint32Array, search: Search): number {
    this.kernels.selectRankU32(this.found, counts, search.rank);
    search.rank = this.found[1];
    return this.found[0];
  }
}
