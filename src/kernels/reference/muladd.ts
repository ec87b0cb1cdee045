/**
 * One step of a gemm or convolution chain in the two numeric profiles. All values are float32 numbers.
 */
const f = Math.fround;

/** `fma`: product and sum round once (AVX2, AVX-512, NEON). `plain`: they round one after the other (base, WASM). */
export type NumericProfile = 'plain' | 'fma';
/** acc + a * b. */
export type MulAdd = (acc: number, a: number, b: number) => number;

/** `fround(acc + fround(a * b))`. */
export const plainMulAdd: MulAdd = (acc, a, b) => f(acc + f(a * b));

const word = new Float64Array(1);
const halves = new Uint32Array(word.buffer);

/**
 * The fused multiply-add of IEEE 754 on float32: acc + a * b rounded once, subnormals, infinities and NaN included.
 *
 * The product of two float32 numbers is exact in float64. The float64 sum is turned into a round-to-odd sum with the help
 * of its error (Boldo and Melquiond 2008, "Emulation of a FMA and correctly rounded sums"); with 53 >= 24 + 2 bits the
 * last rounding to float32 is then that of the exact value.
 */
export const fusedMulAdd: MulAdd = (acc, a, b) => {
  const product = a * b;
  const sum = product + acc;
  const accPart = sum - product;
  const error = product - (sum - accPart) + (acc - accPart);
  if (error === 0 || sum - sum !== 0) return f(sum);
  word[0] = sum;
  if ((halves[0] & 1) === 0) {
    // The nearest float64 is even: of its two neighbours around the exact value take the odd one.
    if (error > 0 === sum > 0) halves[0] |= 1;
    else {
      if (halves[0] === 0) halves[1]--;
      halves[0]--;
    }
  }
  return f(word[0]);
};

export const mulAddOf = (profile: NumericProfile): MulAdd => (profile === 'fma' ? fusedMulAdd : plainMulAdd);
