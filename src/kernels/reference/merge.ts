/**
 * Model merging: combinations of models and of their differences to a base, and what they are weighed by.
 *
 * Differences are taken in float64, but for `sumAbsDeltaF64`. An optional base that is not there counts as zeros. Sums over k are float64
 * chains in order of k from +0.
 */
import { weightedSumF32 } from './clip.js';
import { delta } from './deltas.js';
import { narrowHalf, widenHalf } from './halves.js';
import { sumTerms } from './sums.js';

const kBlock = 65_536;

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
 * How far x lies from base: sums[0] += sum of (x[i] - base[i])^2 and sums[1] += sum of base[i]^2 in float64, each block's sum by the sum
 * rule.
 */
export function measureChangeF64(sums: Float64Array, x: Float32Array, base: Float32Array): void {
  for (let start = 0; start < x.length; start += kBlock) {
    const count = Math.min(kBlock, x.length - start);
    sums[0] += sumTerms(count, (i) => (x[start + i] - base[start + i]) * (x[start + i] - base[start + i]));
    sums[1] += sumTerms(count, (i) => base[start + i] * base[start + i]);
  }
}

/**
 * `deltaWeightedSumF32` of 16-bit floats: dst gets the codes nearest to the float32 results, ties to even and every NaN the quiet one
 * without a sign; sums are those of `measureChangeF64` for the results and the base.
 *
 * @param format - 0 bfloat16, 1 float16.
 */
export function deltaWeightedSumHalf(
  dst: Uint16Array,
  sums: Float64Array,
  base: Uint16Array,
  sources: readonly Uint16Array[],
  weights: Float64Array,
  format: number,
): void {
  const from = widenHalf(base, format);
  const result = new Float32Array(dst.length);
  deltaWeightedSumF32(
    result,
    from,
    sources.map((codes) => widenHalf(codes, format)),
    weights,
  );
  measureChangeF64(sums, result, from);
  narrowHalf(dst, result, format);
}

/** `weightedSumF32` of 16-bit floats, stored and measured as by `deltaWeightedSumHalf`. */
export function weightedSumHalf(
  dst: Uint16Array,
  sums: Float64Array,
  reference: Uint16Array,
  sources: readonly Uint16Array[],
  weights: Float64Array,
  format: number,
): void {
  const result = new Float32Array(dst.length);
  weightedSumF32(
    result,
    sources.map((codes) => widenHalf(codes, format)),
    weights,
  );
  measureChangeF64(sums, result, widenHalf(reference, format));
  narrowHalf(dst, result, format);
}
