/** Divergence between rows seen as logits, and scores by it. Rows are `cols` long; exponentials and logarithms are float64. */
import { horner64, kLn2High, kLn2Low, kRound, logF64 } from './normal.js';
import { sumTerms } from './sums.js';

const f = Math.fround;
/** e^r on [-ln 2 / 2, ln 2 / 2]: the first 14 terms leave 4e-18. */
const kExpSeries = [
  1, 1, 0.5, 0.16666666666666666, 0.041666666666666664, 0.008333333333333333, 0.001388888888888889,
  0.0001984126984126984, 2.48015873015873e-5, 2.7557319223985893e-6, 2.755731922398589e-7,
  2.505210838544172e-8, 2.08767569878681e-9, 1.6059043836821613e-10,
];
const kLeastExp = -708;
const scale = new Float64Array(1);
const scaleBits = new Uint32Array(scale.buffer);

/** e^x for x <= 0, below 1 ulp of float64; 0 below -708, NaN for NaN. */
export function expNegativeF64(x: number): number {
  const c = x < kLeastExp ? kLeastExp : x;
  const n = c * Math.LOG2E + kRound - kRound;
  const r = c - n * kLn2High - n * kLn2Low;
  scaleBits[1] = (n + 1023) << 20;
  const power = horner64(r, kExpSeries) * scale[0];
  return x < kLeastExp ? 0 : power;
}

/** The greatest element, found by compares from -Infinity. */
function greatest(x: Float32Array, from: number, count: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) most = x[from + i] > most ? x[from + i] : most;
  return most;
}

/**
 * dst[r] = sum_c P ln(P / Q), at least 0, with P = softmax(x[r])[c] + floor and Q = softmax(base[r])[c] + floor; the sums (of the
 * exponentials too) by the sum rule. exp(v - max) is multiplied with 1 / sum.
 *
 * @param floor - above 0. A NaN in a row gives NaN.
 */
export function divergenceRowsF64(
  dst: Float64Array,
  x: Float32Array,
  base: Float32Array,
  cols: number,
  floor: number,
): void {
  for (let row = 0; row < dst.length; row++) {
    const from = row * cols;
    const softmaxOf = (v: Float32Array): ((c: number) => number) => {
      const most = greatest(v, from, cols);
      const inverse = 1 / sumTerms(cols, (c) => expNegativeF64(v[from + c] - most));
      return (c) => expNegativeF64(v[from + c] - most) * inverse + floor;
    };
    const p = softmaxOf(x);
    const q = softmaxOf(base);
    const sum = sumTerms(cols, (c) => {
      const ratio = p(c) / q(c);
      return p(c) * (Number.isNaN(ratio) ? ratio : logF64(ratio));
    });
    dst[row] = sum < 0 ? 0 : sum;
  }
}

/** Score of an element: fround(|x - base| * factor of the row), in float64 before. */
const score = (x: number, base: number, factor: number): number => f(Math.abs(x - base) * factor);

/** dst[r, c] = fround(|x[r, c] - base[r, c]| * factors[r]). */
export function scoreDeltaRowsF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  factors: Float64Array,
  cols: number,
): void {
  for (let i = 0; i < dst.length; i++) dst[i] = score(x[i], base[i], factors[Math.floor(i / cols)]);
}

/** dst[r, c] = x[r, c] where the score of {@link scoreDeltaRowsF32} is at least `least`, else base[r, c]. */
export function takeScoredRowsF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  factors: Float64Array,
  cols: number,
  least: number,
): void {
  for (let i = 0; i < dst.length; i++)
    dst[i] = score(x[i], base[i], factors[Math.floor(i / cols)]) >= least ? x[i] : base[i];
}
