/** One step of a chain in the two numeric profiles: of gemm and convolution on float32 numbers, of linalg on float64. */
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
  return error === 0 || sum - sum !== 0 ? f(sum) : f(toOdd(sum, error));
};

/** sum + error rounded to odd, where `sum` is the float64 nearest to it and `error` is not 0. */
function toOdd(sum: number, error: number): number {
  word[0] = sum;
  if ((halves[0] & 1) === 0) {
    // The nearest float64 is even: of its two neighbours around the exact value take the odd one.
    if (error > 0 === sum > 0) halves[0] |= 1;
    else {
      if (halves[0] === 0) halves[1]--;
      halves[0]--;
    }
  }
  return word[0];
}

export const mulAddOf = (profile: NumericProfile): MulAdd => (profile === 'fma' ? fusedMulAdd : plainMulAdd);

/** What Veltkamp's split multiplies with: 2^27 + 1 leaves two halves of 26 bits. */
const kSplit = 0x8000001;

/**
 * The fused multiply-add of IEEE 754 on float64: acc + a * b rounded once (Boldo and Melquiond 2008).
 *
 * The product is split exactly into two float64 numbers (Dekker 1971), which asks for magnitudes of the factors below 2^995, and of
 * the product from 2^-968 on (or 0); beyond them the last bit may differ. Infinities and NaN pass.
 */
export const fusedMulAdd64: MulAdd = (acc, a, b) => {
  const high = a * b;
  const plain = acc + high;
  if (plain - plain !== 0) return plain;
  const aHigh = a * kSplit - (a * kSplit - a);
  const bHigh = b * kSplit - (b * kSplit - b);
  const aLow = a - aHigh;
  const bLow = b - bHigh;
  const low = aLow * bLow - (high - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  const t = acc + low;
  const tError = errorOfSum(acc, low, t);
  const v = high + t;
  const vError = errorOfSum(high, t, v);
  const rest = tError + vError;
  const restError = errorOfSum(tError, vError, rest);
  return v + (restError === 0 ? rest : toOdd(rest, restError));
};

/** What `sum`, the float64 nearest to a + b, lacks of it. */
function errorOfSum(a: number, b: number, sum: number): number {
  const bPart = sum - a;
  return a - (sum - bPart) + (b - bPart);
}

/** acc + a * b on float64 in two roundings. */
export const plainMulAdd64: MulAdd = (acc, a, b) => acc + a * b;

export const mulAdd64Of = (profile: NumericProfile): MulAdd =>
  profile === 'fma' ? fusedMulAdd64 : plainMulAdd64;
