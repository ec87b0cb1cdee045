import { activate } from './elementary.js';
import { mulAddOf, type NumericProfile } from './muladd.js';
import { addOld, scaled } from './store.js';

const f = Math.fround;

/** The gemm family in one numeric profile; only `gemmF32` has chains and differs between them. */
export function gemmKernels(profile: NumericProfile) {
  const mulAdd = mulAddOf(profile);

  /**
   * `c = activation(alpha * op(a) op(b) + bias) + beta * c`, row-major and dense: op(a) is [m, k], op(b) is [k, n].
   *
   * Every element is one chain over k from +0. In the store, each step rounded: times alpha (not when 1), plus bias[j]
   * (not when empty), the activation (0 none, 1 relu, 2 tanh, 3 sigmoid), plus beta times the old value (beta 0: not read).
   */
  function gemmF32(
    c: Float32Array,
    a: Float32Array,
    b: Float32Array,
    bias: Float32Array,
    m: number,
    n: number,
    k: number,
    transA: number,
    transB: number,
    alpha: number,
    beta: number,
    activation: number,
  ): void {
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let acc = 0;
        for (let p = 0; p < k; p++)
          acc = mulAdd(acc, transA ? a[p * m + i] : a[i * k + p], transB ? b[j * k + p] : b[p * n + j]);
        let v = scaled(alpha, acc);
        if (bias.length > 0) v = f(v + bias[j]);
        c[i * n + j] = addOld(activate(activation, v), beta, c[i * n + j]);
      }
  }

  return { gemmF32, outerRowsF32 };
}

/** `out[r, i, j] = a[r, i] * b[r, j] + beta * out[r, i, j]`: one outer product a row (one example's weight gradient). */
function outerRowsF32(
  out: Float32Array,
  a: Float32Array,
  b: Float32Array,
  m: number,
  n: number,
  beta: number,
): void {
  for (let at = 0; at < out.length; at++) {
    const row = Math.floor(at / (m * n));
    const i = Math.floor(at / n) % m;
    out[at] = addOld(f(a[row * m + i] * b[row * n + (at % n)]), beta, out[at]);
  }
}
