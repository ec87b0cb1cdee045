/** Differences to a base, rounded to float32, kept or dropped by the rank of their magnitude. A base that is not there counts as zeros. */
import { delta } from './deltas.js';
import { philox4x32 } from './philox.js';

const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

/** Bits of |v|: ordered as the magnitudes are. Every NaN counts as the quiet one, above the infinities. */
function magnitudeBits(v: number): number {
  if (Number.isNaN(v)) return 0x7fc00000;
  asFloat[0] = v;
  return asBits[0] & 0x7fffffff;
}

/**
 * One pass of a radix selection: with m the 31 bits of |d[i]|, counts[(m >>> shift) & (digits - 1)] goes up by one where
 * m >>> prefixShift is `prefix`.
 *
 * @param digits - a power of two, the length of `counts`.
 */
export function countMagnitudesU32(
  counts: Uint32Array,
  x: Float32Array,
  base: Float32Array,
  prefix: number,
  prefixShift: number,
  shift: number,
  digits: number,
): void {
  for (let i = 0; i < x.length; i++) {
    const m = magnitudeBits(delta(x, base, i));
    if (m >>> prefixShift === prefix) counts[(m >>> shift) & (digits - 1)]++;
  }
}

/**
 * dst[i] = d[i] where its magnitude lies in a band, else +0. With m the bits of |d[i]|:
 * above highBits dropped; at highBits dropped while quota[0] lasts; else, at lowBits kept while quota[1] lasts; else kept above lowBits.
 * The quotas count down, so that ties go by index across calls.
 */
export function keepBandF32(
  dst: Float32Array,
  quota: Uint32Array,
  x: Float32Array,
  base: Float32Array,
  lowBits: number,
  highBits: number,
): void {
  for (let i = 0; i < dst.length; i++) {
    const d = delta(x, base, i);
    const m = magnitudeBits(d);
    let keep = m > lowBits && m <= highBits;
    if (m === highBits && quota[0] > 0) {
      quota[0]--;
      keep = false;
    } else if (m === lowBits && quota[1] > 0) {
      quota[1]--;
      keep = true;
    }
    dst[i] = keep ? d : 0;
  }
}

/**
 * DELLA (Deep et al. 2024, arXiv 2406.11617), MagPrune: dst[i] = d[i] where the word of element i is below
 * floor((least + slope * rank) * 2^32), else +0; the rank counts the magnitudes of its row that are smaller, or equal with a lower index.
 *
 * With `expectation` a kept element is divided by its probability, least + slope * rank, in float64.
 *
 * @param length - elements of a row. @param stride - between them: `length * stride` elements hold `stride` rows.
 * @param lead - element 0 has word `lead` of the first block.
 */
export function dropRankedDeltasF32(
  dst: Float32Array,
  _scratch: Uint32Array,
  x: Float32Array,
  base: Float32Array,
  length: number,
  stride: number,
  least: number,
  slope: number,
  expectation: number,
  lead: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const wordOf = (i: number): number => {
    const low = (blockLow >>> 0) + Math.floor((lead + i) / 4);
    const high = (blockHigh + Math.floor(low / 0x100000000)) >>> 0;
    return philox4x32(low >>> 0, high, step, site, key0, key1)[(lead + i) & 3];
  };
  const bits = new Uint32Array(length);
  for (let group = 0; group < dst.length; group += length * stride)
    for (let first = group; first < group + stride; first++) {
      const at = (j: number): number => first + j * stride;
      for (let j = 0; j < length; j++) bits[j] = magnitudeBits(delta(x, base, at(j)));
      const order = Array.from(bits.keys()).sort((a, b) => bits[a] - bits[b] || a - b);
      order.forEach((j, rank) => {
        const probability = least + slope * rank;
        const kept = wordOf(at(j)) < Math.floor(probability * 0x100000000);
        const d = delta(x, base, at(j));
        dst[at(j)] = kept ? (expectation ? d / probability : d) : 0;
      });
    }
}

/**
 * The digit in which a rank lies, counted from the last: found[0] is the digit, found[1] the rank that is left within it. A rank beyond
 * all counts ends at digit 0, with what the other digits leave of it.
 *
 * @param counts - of each digit; their sum is below 2^32. @param rank - from 1.
 */
export function selectRankU32(found: Uint32Array, counts: Uint32Array, rank: number): void {
  let digit = counts.length - 1;
  let left = rank;
  while (digit > 0 && left > counts[digit]) left -= counts[digit--];
  found[0] = Math.max(0, digit);
  found[1] = left;
}
