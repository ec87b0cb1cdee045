/** Clipping to an L2 ball, and the float64 accumulation of float32 updates. */
import { sumSquaresF32 } from './reduce.js';

const f32 = Math.fround;
const kSlack = 1 - 2 ** -23;
const bits = new Uint32Array(1);
const asFloat = new Float32Array(bits.buffer);

/**
 * Factor min(1, C / norm) of McMahan et al. 2018 ("Learning Differentially Private Recurrent Language Models"), made safe:
 * 1 if norm <= C, else the largest float32 not above (C / norm) (1 - 2^-23). The slack covers the rounding of the scaled
 * elements, so that the norm of the result never exceeds C.
 */
export function clipFactor(norm: number, maxNorm: number): number {
  if (norm <= maxNorm) return 1;
  const exact = (maxNorm / norm) * kSlack;
  asFloat[0] = exact;
  if (asFloat[0] > exact) bits[0]--;
  return asFloat[0];
}

/**
 * Scales x into the ball of radius maxNorm in place: x[i] = fround(x[i] * clipFactor).
 *
 * @returns the norm before clipping. If it is not finite (x holds a NaN or an infinity), x is left alone.
 */
export function clipInPlaceF32(x: Float32Array, maxNorm: number): number {
  const norm = Math.sqrt(sumSquaresF32(x));
  if (!Number.isFinite(norm)) return norm;
  const factor = clipFactor(norm, maxNorm);
  if (factor !== 1) for (let i = 0; i < x.length; i++) x[i] = f32(x[i] * factor);
  return norm;
}

/**
 * acc[i] = acc[i] + weight * fround(x[i] * clipFactor): what `clipInPlaceF32` and then `accumulateF64` would give, with x
 * left as it is.
 *
 * @returns the norm of x. If it is not finite, acc is left alone.
 */
export function clipAccumulateF64(
  acc: Float64Array,
  x: Float32Array,
  maxNorm: number,
  weight: number,
): number {
  const norm = Math.sqrt(sumSquaresF32(x));
  if (!Number.isFinite(norm)) return norm;
  const factor = clipFactor(norm, maxNorm);
  for (let i = 0; i < x.length; i++) acc[i] += weight * f32(x[i] * factor);
  return norm;
}

/** acc[i] = acc[i] + weight * x[i] in float64. */
export function accumulateF64(acc: Float64Array, x: Float32Array, weight: number): void {
  for (let i = 0; i < x.length; i++) acc[i] += weight * x[i];
}

/** Where mask[i] is not 0: acc[i] += weight * x[i] and counts[i] += weight. Elsewhere nothing changes. */
export function maskedAccumulateF64(
  acc: Float64Array,
  counts: Float64Array,
  x: Float32Array,
  mask: Uint8Array,
  weight: number,
): void {
  for (let i = 0; i < x.length; i++)
    if (mask[i] !== 0) {
      acc[i] += weight * x[i];
      counts[i] += weight;
    }
}

/** dst[i] = fround(acc[i] / denominator). */
export function meanF32(dst: Float32Array, acc: Float64Array, denominator: number): void {
  for (let i = 0; i < dst.length; i++) dst[i] = acc[i] / denominator;
}

/** dst[i] = fround(acc[i] / counts[i]) where counts[i] > 0 and counts[i] >= minCount, else +0: too few hold it. */
export function meanOfHoldersF32(
  dst: Float32Array,
  acc: Float64Array,
  counts: Float64Array,
  minCount: number,
): void {
  for (let i = 0; i < dst.length; i++)
    dst[i] = counts[i] > 0 && counts[i] >= minCount ? acc[i] / counts[i] : 0;
}

/** dst[i] = fround(sum over k of weights[k] * sources[k][i]), a float64 chain in order of k from +0. */
export function weightedSumF32(
  dst: Float32Array,
  sources: readonly Float32Array[],
  weights: Float64Array,
): void {
  for (let i = 0; i < dst.length; i++) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k] * sources[k][i];
    dst[i] = sum;
  }
}
