/** Inner products of models, or of their differences to a base, in float64. A base that is not there counts as zeros. */
import { widenHalf } from './halves.js';
import { sumTerms } from './sums.js';

const kBlock = 65_536;

/**
 * gram[i * K + j] += <v_i - base, v_j - base> for j >= i, and baseSquare[0] += <base, base>: differences in float64, each block's sum by
 * the sum rule. Nothing below the diagonal is touched, and no baseSquare where there is no base.
 */
export function addDeltaGramF32(
  gram: Float64Array,
  baseSquare: Float64Array,
  vectors: readonly Float32Array[],
  base: Float32Array,
): void {
  const { length } = vectors[0];
  const b = (i: number): number => (base.length > 0 ? base[i] : 0);
  for (let start = 0; start < length; start += kBlock) {
    const count = Math.min(kBlock, length - start);
    vectors.forEach((u, i) => {
      for (let j = i; j < vectors.length; j++)
        gram[i * vectors.length + j] += sumTerms(
          count,
          (at) => (u[start + at] - b(start + at)) * (vectors[j][start + at] - b(start + at)),
        );
    });
    if (base.length > 0) baseSquare[0] += sumTerms(count, (at) => base[start + at] * base[start + at]);
  }
}

/** `addDeltaGramF32` of 16-bit floats. @param format - 0 bfloat16, 1 float16. */
export function addDeltaGramHalf(
  gram: Float64Array,
  baseSquare: Float64Array,
  vectors: readonly Uint16Array[],
  base: Uint16Array,
  format: number,
): void {
  addDeltaGramF32(
    gram,
    baseSquare,
    vectors.map((codes) => widenHalf(codes, format)),
    widenHalf(base, format),
  );
}
