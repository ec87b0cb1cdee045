/** Reductions: float64 sums by the rule of `sums.ts`, and selections stated as compares. */
import { sumTerms } from './sums.js';

/** Sum of a[i] * b[i]; the product of two float32 is exact in float64. Empty: 0. */
export function dotF32(a: Float32Array, b: Float32Array): number {
  return sumTerms(a.length, (i) => a[i] * b[i]);
}

/** Sum of x[i]^2, the square of the L2 norm. Empty: 0. */
export function sumSquaresF32(x: Float32Array): number {
  return sumTerms(x.length, (i) => x[i] * x[i]);
}

/** Largest |x[i]|, by the compare `|x| > m ? |x| : m` from 0: a NaN never wins. Empty: 0. */
export function maxAbsF32(x: Float32Array): number {
  let largest = 0;
  for (const value of x) largest = Math.abs(value) > largest ? Math.abs(value) : largest;
  return largest;
}

/** 1 if no element is a NaN or an infinity, else 0. Empty: 1. */
export function allFiniteF32(x: Float32Array): number {
  return x.every(Number.isFinite) ? 1 : 0;
}

/** One pass for a cosine: out = [a.b, a.a, b.b], each by the sum rule. */
export function dotAndNormsF32(out: Float64Array, a: Float32Array, b: Float32Array): void {
  out[0] = dotF32(a, b);
  out[1] = sumSquaresF32(a);
  out[2] = sumSquaresF32(b);
}

/** out[s] = sum of x over [offsets[s], offsets[s + 1]), each segment a sum of its own. Offsets ascend within x. */
export function sumSegmentsF32(out: Float64Array, x: Float32Array, offsets: Uint32Array): void {
  for (let s = 0; s < out.length; s++)
    out[s] = sumTerms(offsets[s + 1] - offsets[s], (i) => x[offsets[s] + i]);
}

/** out[r] = out[r] + sum of squares of row r, each row a sum of its own. */
export function sumSquaresRowsF32(out: Float64Array, x: Float32Array, cols: number): void {
  for (let r = 0; r < out.length; r++) out[r] += sumSquaresF32(x.subarray(r * cols, (r + 1) * cols));
}
