/**
 * Eigen-decomposition of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, "Matrix Computations", 8.5.3).
 *
 * Only additions, products, divisions and square roots take part, in one fixed order: the result has the same bits everywhere.
 */

export interface Eigen {
  /** Eigenvalues, ascending. */
  readonly values: number[];
  /** Row-major [n, n]; column k is the unit eigenvector of `values[k]`. */
  readonly vectors: number[];
}

/** Sweeps after which the off-diagonal part is zero in practice: convergence is quadratic, ten are plenty for n <= 200. */
const maxSweeps = 60;

/**
 * @param matrix - row-major [n, n]; the mean of it and its transpose is decomposed.
 * @param n - at least 1.
 */
export function symmetricEigen(matrix: readonly number[], n: number): Eigen {
  const a = new Float64Array(n * n);
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    v[i * n + i] = 1;
    for (let j = 0; j < n; j++) a[i * n + j] = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
  }
  for (let sweep = 0; sweep < maxSweeps && offDiagonal(a, n) > 0; sweep++)
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);

  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[i * n + i] - a[j * n + j] || i - j);
  const vectors = new Array<number>(n * n);
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) vectors[i * n + to] = v[i * n + from];
  });
  return { values: order.map((i) => a[i * n + i]), vectors };
}

function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sum += Math.abs(a[i * n + j]);
  return sum;
}

/** Zeroes a[p][q] with the smaller of the two angles, and keeps `a` symmetric. */
function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q];
  if (apq === 0) return;
  const app = a[p * n + p];
  const aqq = a[q * n + q];
  // An entry that no longer changes either diagonal element is rounding noise.
  if (app + 0.01 * apq === app && aqq + 0.01 * apq === aqq) {
    a[p * n + q] = 0;
    a[q * n + p] = 0;
    return;
  }
  const theta = (aqq - app) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < n; k++) {
    if (k === p || k === q) continue;
    const akp = a[k * n + p];
    const akq = a[k * n + q];
    const kp = c * akp - s * akq;
    const kq = s * akp + c * akq;
    a[k * n + p] = kp;
    a[p * n + k] = kp;
    a[k * n + q] = kq;
    a[q * n + k] = kq;
  }
  a[p * n + p] = app - t * apq;
  a[q * n + q] = aqq + t * apq;
  a[p * n + q] = 0;
  a[q * n + p] = 0;
  for (let k = 0; k < n; k++) {
    const vkp = v[k * n + p];
    const vkq = v[k * n + q];
    v[k * n + p] = c * vkp - s * vkq;
    v[k * n + q] = s * vkp + c * vkq;
  }
}
