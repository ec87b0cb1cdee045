/** Symmetric positive definite systems in float64. */

/**
 * Factors a (n x n, row-major; the lower triangle is read) into L L^T in place of its lower triangle.
 *
 * @returns false when a pivot is not above 1e-12 of the largest diagonal element; `a` is then of no use.
 */
export function cholesky(a: Float64Array, n: number): boolean {
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, a[i * n + i]);
  for (let i = 0; i < n; i++) {
    const row = a.subarray(i * n, i * n + i + 1);
    for (let j = 0; j <= i; j++) {
      const other = a.subarray(j * n, j * n + j + 1);
      let sum = row[j];
      for (let k = 0; k < j; k++) sum -= row[k] * other[k];
      if (j < i) row[j] = sum / other[j];
      else {
        if (!(sum > 1e-12 * largest)) return false;
        row[i] = Math.sqrt(sum);
      }
    }
  }
  return true;
}

/** Solves L L^T x = b for one right side in place, with the factor of {@link cholesky}. */
export function solveFactored(factor: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i];
    for (let k = 0; k < i; k++) sum -= factor[i * n + k] * b[k];
    b[i] = sum / factor[i * n + i];
  }
  // By columns of the transposed factor, which are rows in memory.
  for (let i = n - 1; i >= 0; i--) {
    b[i] /= factor[i * n + i];
    for (let k = 0; k < i; k++) b[k] -= factor[i * n + k] * b[i];
  }
}
