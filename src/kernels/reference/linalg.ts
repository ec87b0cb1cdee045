/**
 * Symmetric positive definite systems in float64. Every element is one chain over k: acc = acc + a * b in ascending order of k
 * (descending in the backward substitution), fused or not by profile.
 */
import { mulAdd64Of, type NumericProfile } from './muladd.js';

/** gram[i, j] += sum_r x[r, i] * x[r, j] for i <= j, in order of r; the products are exact in float64. Below the diagonal nothing is touched. */
export function accumulateGramF64(gram: Float64Array, x: Float32Array, width: number): void {
  for (let row = 0; row < x.length; row += width)
    for (let i = 0; i < width; i++)
      for (let j = i; j < width; j++) gram[i * width + j] += x[row + i] * x[row + j];
}

/** The linalg family in one numeric profile; `accumulateGramF64` is the same in both. */
export function linalgKernels(profile: NumericProfile) {
  const mulAdd = mulAdd64Of(profile);

  /** c[i, j] = c[i, j] + a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + ..., row-major: c is [m, n], a [m, k], b [k, n]. */
  function addProductF64(
    c: Float64Array,
    a: Float64Array,
    b: Float32Array,
    m: number,
    n: number,
    k: number,
  ): void {
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let acc = c[i * n + j];
        for (let p = 0; p < k; p++) acc = mulAdd(acc, a[i * k + p], b[p * n + j]);
        c[i * n + j] = acc;
      }
  }

  /**
   * a = U^T U in place of the upper triangle: with v = a[i, j] - sum_{k < i} u[k, i] * u[k, j], u[i, i] = sqrt(v) and
   * u[i, j] = v / u[i, i]. The lower triangle is neither read nor written.
   *
   * @param n - rows of a. @param leastPivot - v of a diagonal element has to be above it.
   * @returns n, or the first row whose pivot is not above `leastPivot` (or is NaN); `a` is of no use then.
   */
  function factorCholeskyF64(a: Float64Array, n: number, leastPivot: number): number {
    for (let i = 0; i < n; i++)
      for (let j = i; j < n; j++) {
        let v = a[i * n + j];
        for (let k = 0; k < i; k++) v = mulAdd(v, -a[k * n + i], a[k * n + j]);
        if (j > i) a[i * n + j] = v / a[i * n + i];
        else if (v > leastPivot) a[i * n + i] = Math.sqrt(v);
        else return i;
      }
    return n;
  }

  /**
   * x[n, m] = (U^T U)^-1 x with the factor of {@link factorCholeskyF64}, every column a right side:
   * y[i] = (x[i] - sum_{k < i} u[k, i] * y[k]) / u[i, i], then x[i] = (y[i] - sum_{k > i} u[i, k] * x[k]) / u[i, i] with k from n - 1 down.
   */
  function solveCholeskyF64(x: Float64Array, factor: Float64Array, n: number): void {
    const m = x.length / n;
    for (let j = 0; j < m; j++) {
      for (let i = 0; i < n; i++) {
        let v = x[i * m + j];
        for (let k = 0; k < i; k++) v = mulAdd(v, -factor[k * n + i], x[k * m + j]);
        x[i * m + j] = v / factor[i * n + i];
      }
      for (let i = n - 1; i >= 0; i--) {
        let v = x[i * m + j];
        for (let k = n - 1; k > i; k--) v = mulAdd(v, -factor[i * n + k], x[k * m + j]);
        x[i * m + j] = v / factor[i * n + i];
      }
    }
  }

  return { accumulateGramF64, addProductF64, factorCholeskyF64, solveCholeskyF64 };
}
