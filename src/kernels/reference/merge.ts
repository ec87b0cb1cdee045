/**
 * Passes over task vectors d = x - base of model merging.
 *
 * Kernels that compare magnitudes, or hand deltas on, take d rounded to float32; the others take it in float64. An optional base
 * that is not there counts as zeros, and d is x itself. Sums over k are float64 chains in order of k from +0.
 */
import { philox4x32 } from './philox.js';
import { sumTerms } from './sums.js';

const f32 = Math.fround;
const kBlock = 65_536;
const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

const delta = (x: Float32Array, base: Float32Array, i: number): number =>
  base.length > 0 ? f32(x[i] - base[i]) : x[i];

/** Bits of |v|: ordered as the magnitudes are. Every NaN counts as the quiet one, above the infinities. */
function magnitudeBits(v: number): number {
  if (Number.isNaN(v)) return 0x7fc00000;
  asFloat[0] = v;
  return asBits[0] & 0x7fffffff;
}

/** dst[i] = fround(base[i] + sum_k weights[k] * (sources[k][i] - base[i])), the differences in float64. */
export function deltaWeightedSumF32(
  dst: Float32Array,
  base: Float32Array,
  sources: readonly Float32Array[],
  weights: Float64Array,
): void {
  for (let i = 0; i < dst.length; i++) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k] * (sources[k][i] - base[i]);
    dst[i] = base[i] + sum;
  }
}

/** dots[k] += <sources[k] - base, x - base>, differences in float64, each block's sum by the sum rule. */
export function dotDeltasF64(
  dots: Float64Array,
  sources: readonly Float32Array[],
  x: Float32Array,
  base: Float32Array,
): void {
  const b = (i: number): number => (base.length > 0 ? base[i] : 0);
  for (let start = 0; start < x.length; start += kBlock) {
    const count = Math.min(kBlock, x.length - start);
    for (let k = 0; k < dots.length; k++)
      dots[k] += sumTerms(count, (i) => {
        const at = start + i;
        return (sources[k][at] - b(at)) * (x[at] - b(at));
      });
  }
}

/** sum[0] += sum of |fround(x[i] - base[i])|, each block's sum by the sum rule. */
export function sumAbsDeltaF64(sum: Float64Array, x: Float32Array, base: Float32Array): void {
  for (let start = 0; start < x.length; start += kBlock)
    sum[0] += sumTerms(Math.min(kBlock, x.length - start), (i) => Math.abs(delta(x, base, start + i)));
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

/** dst[i] = d[i] where word i of the stream is below floor(probability * 2^32), else +0; probability 1 keeps all. */
export function dropDeltasF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  probability: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const threshold = Math.floor(probability * 0x100000000);
  let words: readonly number[] = [];
  for (let i = 0; i < dst.length; i++) {
    if ((i & 3) === 0) {
      const low = (blockLow >>> 0) + i / 4;
      const high = (blockHigh + Math.floor(low / 0x100000000)) >>> 0;
      words = philox4x32(low >>> 0, high, step, site, key0, key1);
    }
    dst[i] = words[i & 3] < threshold ? delta(x, base, i) : 0;
  }
}

/** dst[i] = fround(x[i] - base[i]) where gate[i] is not 0, else +0. */
export function gateDeltaF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  gate: Float32Array,
): void {
  for (let i = 0; i < dst.length; i++) dst[i] = gate[i] !== 0 ? x[i] - base[i] : 0;
}

/**
 * Sign election and masked mean (Yadav et al. 2023, "TIES-Merging", section 3): with e_k = scales[k] * deltas[k][i], the sign s is +1 where
 * sum_k votes[k] * deltas[k][i] >= 0, else -1; M and D are the sums of e_k and weights[k] over the k with sign(e_k) = s.
 * dst[i] = fround(base[i] + lambda * M / D); D below `floor` is `floor`, then a D of 0 is 1; no division without `normalize`.
 */
export function electMeanF32(
  dst: Float32Array,
  base: Float32Array,
  deltas: readonly Float32Array[],
  votes: Float64Array,
  scales: Float64Array,
  weights: Float64Array,
  lambda: number,
  floor: number,
  normalize: number,
): void {
  for (let i = 0; i < dst.length; i++) {
    let vote = 0;
    for (let k = 0; k < votes.length; k++) vote += votes[k] * deltas[k][i];
    let sum = 0;
    let weight = 0;
    for (let k = 0; k < votes.length; k++) {
      const e = scales[k] * deltas[k][i];
      const agrees = vote >= 0 ? e > 0 : e < 0;
      sum += agrees ? e : 0;
      weight += agrees ? weights[k] : 0;
    }
    weight = weight < floor ? floor : weight;
    weight = weight === 0 || normalize === 0 ? 1 : weight;
    dst[i] = base[i] + lambda * (sum / weight);
  }
}

/**
 * dst[i] = fround of the variance of sources[k][i] over k, of differences to the first source, so that equal values give exactly 0:
 * e_k = sources[k][i] - sources[0][i], mean = sum weights[k] * e_k, variance = sum weights[k] * ((e_k - mean) * (e_k - mean)).
 *
 * @param weights - of sum 1; all 1/K for the population variance.
 */
export function varianceF32(
  dst: Float32Array,
  sources: readonly Float32Array[],
  weights: Float64Array,
): void {
  for (let i = 0; i < dst.length; i++) {
    const first = sources[0][i];
    let mean = 0;
    for (let k = 0; k < weights.length; k++) mean += weights[k] * (sources[k][i] - first);
    let variance = 0;
    for (let k = 0; k < weights.length; k++) {
      const e = sources[k][i] - first - mean;
      variance += weights[k] * (e * e);
    }
    dst[i] = variance;
  }
}

/**
 * RAM (arXiv 2601.13572): with z_k = [|d_k| > epsilon] and c their number, dst[i] = fround(base[i] + S), where S is the sum of
 * z_k * d_k, each times uniqueScales[k], if c is 1, and else divided by c (0 if c is 0). Differences in float64.
 */
export function addUniqueDeltasF32(
  dst: Float32Array,
  base: Float32Array,
  sources: readonly Float32Array[],
  uniqueScales: Float64Array,
  epsilon: number,
): void {
  for (let i = 0; i < dst.length; i++) {
    let count = 0;
    let sum = 0;
    let scaled = 0;
    for (let k = 0; k < sources.length; k++) {
      const d = sources[k][i] - base[i];
      const holds = Math.abs(d) > epsilon;
      count += holds ? 1 : 0;
      sum += holds ? d : 0;
      scaled += holds ? uniqueScales[k] * d : 0;
    }
    dst[i] = base[i] + (count === 1 ? scaled : sum / (count === 0 ? 1 : count));
  }
}

/** shared[k] and unique[k] go up by the number of i where |d_k| > epsilon holds for k and others, and for k alone. */
export function countUniqueF64(
  shared: Float64Array,
  unique: Float64Array,
  base: Float32Array,
  sources: readonly Float32Array[],
  epsilon: number,
): void {
  for (let i = 0; i < base.length; i++) {
    const holds = sources.map((source) => Math.abs(source[i] - base[i]) > epsilon);
    const counts = holds.filter(Boolean).length > 1 ? shared : unique;
    for (let k = 0; k < holds.length; k++) if (holds[k]) counts[k]++;
  }
}

/**
 * dst[i] = fround(w * y[i] + (1 - w) * base[i]) in float64, w = t / max(|base[i] - y[i]|, 1e-6), at most 1: the other model where it
 * is near the base.
 */
export function nearSwapF32(dst: Float32Array, base: Float32Array, y: Float32Array, t: number): void {
  for (let i = 0; i < dst.length; i++) {
    const distance = Math.abs(base[i] - y[i]);
    const ratio = t / (distance < 1e-6 ? 1e-6 : distance);
    const w = ratio > 1 ? 1 : ratio;
    dst[i] = w * y[i] + (1 - w) * base[i];
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

/** Bit i & 7 of bits[i >> 3] is whether x[i] is not 0 (a NaN is not); the bits behind the last are 0. */
export function packNonZeroU8(bits: Uint8Array, x: Float32Array): void {
  bits.fill(0);
  for (let i = 0; i < x.length; i++) if (x[i] !== 0) bits[i >> 3] |= 1 << (i & 7);
}

/** dst[i] = fround(x[i] - base[i]) where bit i & 7 of bits[i >> 3] is set, else +0. */
export function gateBitsDeltaF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  bits: Uint8Array,
): void {
  for (let i = 0; i < dst.length; i++) dst[i] = (bits[i >> 3] >> (i & 7)) & 1 ? x[i] - base[i] : 0;
}
