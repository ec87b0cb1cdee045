/** Ways to thin out a task vector, each over chunks: what it has to know first, and which entries it keeps. */
import type { Kernels } from '../../kernels/kernels.js';
import { RankSearch } from './rank-search.js';

/** No element equals it and none is above: a bound that is not there. */
const kNoBits = 0xffffffff;

export interface SparsifierPass {
  accept(x: Float32Array, base: Float32Array, offset: number): void;
  end(): void;
}

export interface Sparsifier {
  readonly passes: readonly SparsifierPass[];
  /** Chunks of `apply` begin at multiples of it. */
  readonly alignment: number;
  /** Writes x - base where an entry is kept and 0 elsewhere; from offset 0 on, in order. Offset 0 starts anew. */
  apply(dst: Float32Array, x: Float32Array, base: Float32Array, offset: number): void;
  /** Entries that it kept since offset 0, where it was not told how many. */
  kept?(): number;
}

/** Called with a chunk in which a value is not finite. */
export type OnNonFinite = (x: Float32Array, base: Float32Array, offset: number) => void;

/** Keeps nothing. */
export const nothingKept: Sparsifier = { passes: [], alignment: 1, apply: (dst) => void dst.fill(0) };

/**
 * Keeps `count` entries by magnitude after the `skipped` largest; equal ones by lower index first.
 *
 * @param count - from 1; count + skipped is at most the number of elements.
 */
export function magnitudeBand(
  kernels: Kernels,
  count: number,
  skipped: number,
  onNonFinite: OnNonFinite,
): Sparsifier {
  const ranks = skipped > 0 ? [skipped + count, skipped] : [count];
  const search = new RankSearch(kernels);
  let lowBits = 0;
  let highBits = kNoBits;
  const firstQuota = new Uint32Array(2);
  const quota = new Uint32Array(2);
  return {
    alignment: 1,
    passes: [
      {
        accept(x, base, offset) {
          if (search.countFirst(x, base)) onNonFinite(x, base, offset);
        },
        end: () => search.endFirst(ranks),
      },
      {
        accept: (x, base) => search.countSecond(x, base),
        end() {
          const [low, high] = search.endSecond();
          lowBits = low.bits;
          highBits = high?.bits ?? kNoBits;
          firstQuota[0] = high?.ties ?? 0;
          // Where both bounds are one magnitude, the dropped ones come out of the same ties.
          firstQuota[1] = low.ties - (high && high.bits === low.bits ? high.ties : 0);
        },
      },
    ],
    apply(dst, x, base, offset) {
      if (offset === 0) quota.set(firstQuota);
      kernels.keepBandF32(dst, quota, x, base, lowBits, highBits);
    },
  };
}

/**
 * Keeps entries whose magnitude is above a threshold, and the first `ties` of those that are equal to it.
 *
 * @param bits - of the threshold. @param ties - any whole number.
 */
export function aboveThreshold(kernels: Kernels, bits: number, ties: number): Sparsifier {
  const quota = new Uint32Array(2);
  let left = 0;
  let kept = 0;
  let mask = new Uint8Array(0);
  return {
    passes: [],
    alignment: 1,
    apply(dst, x, base, offset) {
      if (offset === 0) {
        left = ties;
        kept = 0;
      }
      const most = Math.min(left, dst.length);
      quota[1] = most;
      kernels.keepBandF32(dst, quota, x, base, bits, kNoBits);
      const taken = most - quota[1];
      left -= taken;
      const bytes = Math.ceil(dst.length / 8);
      // Whole words; the bits behind the last element are 0.
      if (mask.length < bytes) mask = new Uint8Array(Math.ceil(bytes / 4) * 4);
      kernels.packNonZeroU8(mask.subarray(0, bytes), dst);
      mask.fill(0, bytes, Math.ceil(bytes / 4) * 4);
      kept += onesIn(new Uint32Array(mask.buffer, 0, Math.ceil(bytes / 4)));
      // A kept entry that is 0 leaves no mark.
      if (bits === 0) kept += taken;
    },
    kept: () => kept,
  };
}

function onesIn(words: Uint32Array): number {
  let sum = 0;
  for (let word of words) {
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    sum += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return sum;
}

/** Bytes of the mask of a tensor at most, however much memory there is. */
const kMostRemembered = 1 << 24;

/**
 * The same sparsifier, which remembers one bit an element of what it kept, for sweeps after the first: where a mask is dear to find. What
 * it keeps has to be the delta itself, unscaled. Where rows are no multiple of 8 elements, or a mask takes more than 16 MiB or more than
 * there is room for, the entries are found again each time.
 *
 * @param size - elements of the tensor.
 * @param room - bytes that the mask may take.
 */
export function remembered(
  kernels: Kernels,
  size: number,
  sparsifier: Sparsifier,
  room = kMostRemembered,
): Sparsifier {
  const maskBytes = Math.ceil(size / 8);
  if (sparsifier.alignment % 8 !== 0 || maskBytes > Math.min(room, kMostRemembered)) return sparsifier;
  let bits = new Uint8Array(0);
  /** Bits up to this element are known. */
  let known = 0;
  return {
    ...sparsifier,
    apply(dst, x, base, offset) {
      const end = offset + dst.length;
      if (end <= known) {
        kernels.gateBitsDeltaF32(dst, x, base, bits.subarray(offset / 8, Math.ceil(end / 8)));
        return;
      }
      sparsifier.apply(dst, x, base, offset);
      if (offset !== known) return;
      if (known === 0) bits = new Uint8Array(maskBytes);
      kernels.packNonZeroU8(bits.subarray(offset / 8, Math.ceil(end / 8)), dst);
      known = end;
    },
  };
}

/** Where the random words of one input of one tensor lie; element i has word i & 3 of block i >> 2. */
export interface MaskAddress {
  readonly key0: number;
  readonly key1: number;
  /** Index of the input. */
  readonly site: number;
}

/** Keeps each entry with probability `density`. */
export function bernoulli(kernels: Kernels, density: number, { key0, key1, site }: MaskAddress): Sparsifier {
  return {
    passes: [],
    alignment: 4,
    apply(dst, x, base, offset) {
      const block = offset / 4;
      const high = Math.floor(block / 2 ** 32);
      kernels.dropDeltasF32(dst, x, base, density, key0, key1, block >>> 0, high, 0, site);
    },
  };
}
