/**
 * exp, log, tanh and the logistic function on float32 numbers, as fixed sequences of float32 operations (no fused ones),
 * so that every back end gives the same bits. Polynomials of Cephes (Moshier, single precision); errors against float64
 * stay below 2 ulp (exp, log) and 3 ulp (tanh, sigmoid).
 */
const f = Math.fround;
const bits = new Int32Array(1);
const value = new Float32Array(bits.buffer);

function fromBits(pattern: number): number {
  bits[0] = pattern;
  return value[0];
}

const kLog2E = f(Math.LOG2E);
/** 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits. */
const kRoundMagic = 12_582_912;
const kRoundMagicBits = 0x4b400000;
const kLn2High = 0.693359375;
const kLn2Low = f(-2.1219444e-4);
const kExpLow = -104;
const kExpHigh = 89;
const kExp = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
].map(f);

/** e^x. Overflows to infinity, underflows through the subnormals to 0; NaN stays NaN. */
export function expF(x: number): number {
  let c = x < kExpLow ? kExpLow : x;
  c = c > kExpHigh ? kExpHigh : c;
  const shifted = f(f(c * kLog2E) + kRoundMagic);
  const n = f(shifted - kRoundMagic);
  const r = f(f(c - f(n * kLn2High)) - f(n * kLn2Low));
  let p = kExp[0];
  for (let i = 1; i < 6; i++) p = f(f(p * r) + kExp[i]);
  p = f(f(f(p * f(r * r)) + r) + 1);
  // Scaled in two steps, so that 2^n itself need not be a float32 number and only the second step can round.
  value[0] = shifted;
  const exponent = bits[0] - kRoundMagicBits;
  const half = exponent >> 1;
  return f(f(p * fromBits((half + 127) << 23)) * fromBits((exponent - half + 127) << 23));
}

const kTwo23 = 8_388_608;
const kMinNormal = 1.1754943508222875e-38;
const kSqrtHalfBits = 0x3f3504f3;
const kLog = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(f);

/** Natural logarithm. log(+-0) = -infinity, negative numbers and NaN give NaN. */
export function logF(x: number): number {
  const tiny = x < kMinNormal;
  value[0] = tiny ? f(x * kTwo23) : x;
  const pattern = bits[0];
  // Exponent of the mantissa in [sqrt(1/2), sqrt(2)).
  const exponent = (pattern - kSqrtHalfBits) >> 23;
  const e = tiny ? exponent - 23 : exponent;
  const m = f(fromBits((pattern - (exponent << 23)) | 0) - 1);
  const z = f(m * m);
  let p = kLog[0];
  for (let i = 1; i < 9; i++) p = f(f(p * m) + kLog[i]);
  let y = f(f(p * m) * z);
  y = f(y + f(e * kLn2Low));
  y = f(y - f(0.5 * z));
  y = f(f(m + y) + f(e * kLn2High));
  // Not "x < infinity": that would let NaN through.
  y = x === Number.POSITIVE_INFINITY ? x : y;
  y = x === 0 ? Number.NEGATIVE_INFINITY : y;
  return x >= 0 ? y : Number.NaN;
}

const kTanh = [
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
].map(f);

/** Hyperbolic tangent: odd polynomial below 0.625, 1 - 2 / (e^2|x| + 1) above. */
export function tanhF(x: number): number {
  const a = Math.abs(x);
  const z = f(a * a);
  let p = kTanh[0];
  for (let i = 1; i < 5; i++) p = f(f(p * z) + kTanh[i]);
  const small = f(f(f(p * z) * a) + a);
  const large = f(1 - f(2 / f(expF(f(a + a)) + 1)));
  const y = a < 0.625 ? small : large;
  return x < 0 || Object.is(x, -0) ? -y : y;
}

/** 1 / (1 + e^-x), formed from e^-|x| so that neither side overflows. */
export function sigmoidF(x: number): number {
  const e = expF(-Math.abs(x));
  return f((x < 0 ? e : 1) / f(1 + e));
}

/** x < 0 ? 0 : x. A NaN stays NaN. */
export const reluF = (x: number): number => (x < 0 ? 0 : x);

/** The activation that gemm and convolution apply in the store: 0 none, 1 relu, 2 tanh, 3 sigmoid. */
export function activate(code: number, x: number): number {
  if (code === 1) return reluF(x);
  if (code === 2) return tanhF(x);
  return code === 3 ? sigmoidF(x) : x;
}
