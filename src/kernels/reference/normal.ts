/**
 * Box-Muller (Box and Muller 1958) with our own logarithm, sine and cosine, so that a normal has the same bits everywhere.
 * Operations stand in evaluation order: the other back ends do the same steps on vectors.
 */
const f32 = Math.fround;
const bits32 = new Uint32Array(1);
const float32 = new Float32Array(bits32.buffer);
const bits64 = new BigUint64Array(1);
const float64 = new Float64Array(bits64.buffer);

/** c[0] + x (c[1] + x (c[2] + ...)) by Horner's rule in float32. */
function horner32(x: number, coefficients: readonly number[]): number {
  return coefficients.reduceRight((sum, c) => f32(f32(sum * x) + f32(c)));
}

/** -2 ln(1 + x) / x on [sqrt(1/2) - 1, sqrt(2) - 1], minimax with the first two terms of the series kept: 3.2e-8 relative. */
const kLog = [
  -2, 1, -0.6666781902313232, 0.5000267624855042, -0.3992612957954407, 0.33155184984207153,
  -0.29829543828964233, 0.2853485345840454, -0.17400690913200378,
];
/** sin(pi/4 s) / s and cos(pi/4 s) in s^2 on [0, 1], minimax: 3.3e-9 and 3.3e-8 relative. */
const kSine = [0.7853981852531433, -0.08074543625116348, 0.00249000103212893, -3.59504520019982e-5];
const kCosine = [0.9999999403953552, -0.308424174785614, 0.015849683433771133, -0.00031872783438302577];
const kMinusTwoLn2 = f32(-2 * Math.LN2);
/** Bit pattern of sqrt(1/2) as float32: the mantissa is brought into [sqrt(1/2), sqrt(2)). */
const kSqrtHalfBits = 0x3f3504f3;

/**
 * Two float32 normals with standard deviation `stddev` from two words, with 24 bits each: for simulation, not for privacy.
 *
 * u1 = ((w0 >>> 8) + 1) 2^-24 gives the radius stddev * sqrt(-2 ln u1). The top two bits of w1 are the quadrant; the next 22,
 * read as a signed odd number of half steps, are the angle from the middle of the quadrant: s in (-1, 1) stands for s pi/4.
 *
 * @returns [radius * cosine, radius * sine].
 */
export function normalPairF32(w0: number, w1: number, stddev: number): [number, number] {
  float32[0] = (w0 >>> 8) + 1;
  const shifted = (bits32[0] - (kSqrtHalfBits + (24 << 23))) | 0;
  const exponent = shifted >> 23;
  bits32[0] = (shifted & 0x7fffff) + kSqrtHalfBits;
  const x = f32(float32[0] - 1);
  const minusTwoLog = f32(f32(horner32(x, kLog) * x) + f32(exponent * kMinusTwoLn2));
  const radius = f32(f32(Math.sqrt(minusTwoLog)) * f32(stddev));

  const s = f32((((w1 << 2) >> 9) | 1) * 2 ** -22);
  const square = f32(s * s);
  const sine = f32(horner32(square, kSine) * s);
  const cosine = horner32(square, kCosine);
  const [c, d] = inQuadrant(w1 >>> 30, cosine, sine);
  return [f32(radius * c), f32(radius * d)];
}

/** Cosine and sine of the angle turned by `quadrant` right angles. */
function inQuadrant(quadrant: number, cosine: number, sine: number): [number, number] {
  if (quadrant === 0) return [cosine, sine];
  if (quadrant === 1) return [-sine, cosine];
  if (quadrant === 2) return [-cosine, -sine];
  return [sine, -cosine];
}

/** ((high >>> 5) 2^26 + (low >>> 6) + 0.5) / 2^53, a uniform in (0, 1]. */
function uniform53(high: number, low: number): number {
  return ((high >>> 5) * 2 ** 26 + (low >>> 6) + 0.5) * 2 ** -53;
}

export function horner64(x: number, coefficients: readonly number[]): number {
  return coefficients.reduceRight((sum, c) => sum * x + c);
}

/** Even part of ln((1 + s) / (1 - s)) - 2s over s in powers of s^2, and ln 2 in two parts: constants of FreeBSD's msun, e_log.c. */
const kLogSeries = [
  0.6666666666666735, 0.3999999999940942, 0.2857142874366239, 0.22222198432149784, 0.1818357216161805,
  0.15313837699209373, 0.14798198605116586,
];
export const kLn2High = 0.6931471803691238;
export const kLn2Low = 1.9082149292705877e-10;

/** ln x of a normal positive float64, below 1 ulp: x = 2^k m, f = m - 1, s = f / (2 + f) (msun, e_log.c). */
export function logF64(x: number): number {
  float64[0] = x;
  const shifted = bits64[0] - 0x3fe6a09e667f3bcdn;
  const exponent = Number(BigInt.asIntN(64, shifted) >> 52n);
  bits64[0] = (shifted & 0xfffffffffffffn) + 0x3fe6a09e667f3bcdn;
  const f = float64[0] - 1;
  const s = f / (2 + f);
  const z = s * s;
  const series = horner64(z, kLogSeries) * z;
  const half = 0.5 * f * f;
  return exponent * kLn2High - (half - (s * (half + series) + exponent * kLn2Low) - f);
}

/** sin x = x + x^3 S(x^2) and cos x = 1 - x^2 / 2 + x^4 C(x^2) on [-pi/4, pi/4]: constants of msun, k_sin.c and k_cos.c. */
const kSineSeries = [
  -0.16666666666666632, 0.00833333333332249, -0.0001984126982985795, 2.7557313707070068e-6,
  -2.5050760253406863e-8, 1.58969099521155e-10,
];
const kCosineSeries = [
  0.0416666666666666, -0.001388888888887411, 2.480158728947673e-5, -2.7557314351390663e-7,
  2.087572321298175e-9, -1.1359647557788195e-11,
];
/** Adding and taking away 1.5 * 2^52 rounds to the nearest integer, ties to even. */
export const kRound = 6755399441055744;

/**
 * Two standard float64 normals from the four words of a block, with 53 bits each:
 * sqrt(-2 ln u1) cos(2 pi u2) and the same with the sine. The angle is reduced to the nearest quarter turn, exactly.
 */
export function normalPairF64(words: readonly [number, number, number, number]): [number, number] {
  const u1 = uniform53(words[0], words[1]);
  const u2 = uniform53(words[2], words[3]);
  const radius = Math.sqrt(-2 * logF64(u1));
  const quarter = u2 * 4 + kRound - kRound;
  const x = (u2 - quarter * 0.25) * (2 * Math.PI);
  const z = x * x;
  const sine = x + x * z * horner64(z, kSineSeries);
  const cosine = 1 - (0.5 * z - z * z * horner64(z, kCosineSeries));
  const [c, d] = inQuadrant(quarter & 3, cosine, sine);
  return [radius * c, radius * d];
}
