/** Diagonal Fisher information: accumulation of squared gradients, scores of units, precision-weighted averages. */
import { sumTerms } from './sums.js';

const f32 = Math.fround;

/** acc[i] = acc[i] + g[i]^2 in float64: the diagonal Fisher when g is one example's gradient of the log-likelihood. */
export function accumulateSquaresF64(acc: Float64Array, g: Float32Array): void {
  for (let i = 0; i < g.length; i++) acc[i] += g[i] * g[i];
}

/** v[i] = decay * v[i] + (1 - decay) * g[i]^2, every float32 step rounded, 1 - decay as well. */
export function movingAverageSquaresF32(v: Float32Array, g: Float32Array, decay: number): void {
  const keep = f32(decay);
  const take = f32(1 - keep);
  for (let i = 0; i < v.length; i++) v[i] = f32(f32(keep * v[i]) + f32(take * f32(g[i] * g[i])));
}

/** scores[u] = scores[u] + sum of row u of `fisher` (units x rowLength), each row by the sum rule. */
export function scoreUnitsF64(scores: Float64Array, fisher: Float64Array, rowLength: number): void {
  for (let u = 0; u < scores.length; u++) scores[u] += sumTerms(rowLength, (i) => fisher[u * rowLength + i]);
}

/**
 * Fisher-weighted average (Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging", eq. 3):
 * dst[i] = fround(sum_k p_k models[k][i] / sum_k p_k) with precision p_k = weights[k] * max(fishers[k][i], floor).
 * Float64 chains in order of k from +0; the maximum is `fisher > floor ? fisher : floor`.
 *
 * @param floor - > 0, keeps the denominator away from 0 where no model has information.
 */
export function fisherAverageF32(
  dst: Float32Array,
  models: readonly Float32Array[],
  fishers: readonly Float32Array[],
  weights: Float64Array,
  floor: number,
): void {
  for (let i = 0; i < dst.length; i++) {
    let numerator = 0;
    let denominator = 0;
    for (let k = 0; k < weights.length; k++) {
      const precision = weights[k] * (fishers[k][i] > floor ? fishers[k][i] : floor);
      numerator += precision * models[k][i];
      denominator += precision;
    }
    dst[i] = numerator / denominator;
  }
}
