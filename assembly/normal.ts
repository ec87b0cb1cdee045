// Box-Muller on vectors of four or two pairs: the steps of src/kernels/reference/normal.ts.

const kSqrtHalfBits: i32 = 0x3f3504f3;
const kMinusTwoLn2: f32 = -1.3862943611198906;

// @ts-ignore: decorator
@inline
function step32(sum: v128, x: v128, c: f32): v128 {
  return f32x4.add(f32x4.mul(sum, x), f32x4.splat(c));
}

// @ts-ignore: decorator
@inline
function step64(sum: v128, x: v128, c: f64): v128 {
  return f64x2.add(f64x2.mul(sum, x), f64x2.splat(c));
}

/** Replaces the vectors of words at p and p + 16 by the normals they give: the cosines and the sines. */
// @ts-ignore: decorator
@inline
export function normalPairs(p: usize, stddev: v128): void {
  const w0 = v128.load(p);
  const w1 = v128.load(p, 16);
  const count = f32x4.convert_i32x4_s(i32x4.add(i32x4.shr_u(w0, 8), i32x4.splat(1)));
  const shifted = i32x4.sub(count, i32x4.splat(kSqrtHalfBits + (24 << 23)));
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(0x7fffff)), i32x4.splat(kSqrtHalfBits));
  const x = f32x4.sub(mantissa, f32x4.splat(1));
  let sum = f32x4.splat(-0.17400690913200378);
  sum = step32(sum, x, 0.2853485345840454);
  sum = step32(sum, x, -0.29829543828964233);
  sum = step32(sum, x, 0.33155184984207153);
  sum = step32(sum, x, -0.3992612957954407);
  sum = step32(sum, x, 0.5000267624855042);
  sum = step32(sum, x, -0.6666781902313232);
  sum = step32(sum, x, 1);
  sum = step32(sum, x, -2);
  const exponent = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  const minusTwoLog = f32x4.add(f32x4.mul(sum, x), f32x4.mul(exponent, f32x4.splat(kMinusTwoLn2)));
  const radius = f32x4.mul(f32x4.sqrt(minusTwoLog), stddev);

  const steps = v128.or(i32x4.shr_s(i32x4.shl(w1, 2), 9), i32x4.splat(1));
  const s = f32x4.mul(f32x4.convert_i32x4_s(steps), f32x4.splat(1.0 / 4194304.0));
  const square = f32x4.mul(s, s);
  let sine = f32x4.splat(-3.59504520019982e-5);
  sine = step32(sine, square, 0.00249000103212893);
  sine = step32(sine, square, -0.08074543625116348);
  sine = step32(sine, square, 0.7853981852531433);
  sine = f32x4.mul(sine, s);
  let cosine = f32x4.splat(-0.00031872783438302577);
  cosine = step32(cosine, square, 0.015849683433771133);
  cosine = step32(cosine, square, -0.308424174785614);
  cosine = step32(cosine, square, 0.9999999403953552);
  // Quadrant 1 is (-sine, cosine), 2 is (-cosine, -sine), 3 is (sine, -cosine).
  const doubled = i32x4.shl(w1, 1);
  const odd = i32x4.shr_s(doubled, 31);
  const signBit = i32x4.splat(0x80000000);
  const c = v128.xor(v128.bitselect(sine, cosine, odd), v128.and(v128.xor(w1, doubled), signBit));
  const d = v128.xor(v128.bitselect(cosine, sine, odd), v128.and(w1, signBit));
  v128.store(p, f32x4.mul(radius, c));
  v128.store(p, f32x4.mul(radius, d), 16);
}

/** A 32-bit integer in each 64-bit lane as float64: put below the exponent of 2^52. */
// @ts-ignore: decorator
@inline
function toF64(v: v128): v128 {
  return f64x2.sub(v128.or(v, i64x2.splat(0x4330000000000000)), f64x2.splat(4503599627370496));
}

/** ((high >>> 5) 2^26 + (low >>> 6) + 0.5) / 2^53. */
// @ts-ignore: decorator
@inline
function uniform53(high: v128, low: v128): v128 {
  const top = f64x2.mul(toF64(i64x2.shr_u(high, 5)), f64x2.splat(67108864));
  const sum = f64x2.add(f64x2.add(top, toF64(i64x2.shr_u(low, 6))), f64x2.splat(0.5));
  return f64x2.mul(sum, f64x2.splat(1.0 / 9007199254740992.0));
}

// @ts-ignore: decorator
@inline
export function logF64(x: v128): v128 {
  const sqrtHalf = i64x2.splat(0x3fe6a09e667f3bcd);
  const shifted = i64x2.sub(x, sqrtHalf);
  const biased = i64x2.shr_u(i64x2.add(shifted, i64x2.splat(0x3ff0000000000000)), 52);
  const exponent = f64x2.sub(toF64(biased), f64x2.splat(1023));
  const mantissa = i64x2.add(v128.and(shifted, i64x2.splat(0xfffffffffffff)), sqrtHalf);
  const f = f64x2.sub(mantissa, f64x2.splat(1));
  const s = f64x2.div(f, f64x2.add(f64x2.splat(2), f));
  const z = f64x2.mul(s, s);
  let series = f64x2.splat(0.14798198605116586);
  series = step64(series, z, 0.15313837699209373);
  series = step64(series, z, 0.1818357216161805);
  series = step64(series, z, 0.22222198432149784);
  series = step64(series, z, 0.2857142874366239);
  series = step64(series, z, 0.3999999999940942);
  series = step64(series, z, 0.6666666666666735);
  series = f64x2.mul(series, z);
  const half = f64x2.mul(f64x2.mul(f64x2.splat(0.5), f), f);
  const high = f64x2.mul(exponent, f64x2.splat(0.6931471803691238));
  const low = f64x2.mul(exponent, f64x2.splat(1.9082149292705877e-10));
  const rest = f64x2.sub(half, f64x2.add(f64x2.mul(s, f64x2.add(half, series)), low));
  return f64x2.sub(high, f64x2.sub(rest, f));
}

/** Two blocks, their words widened to 64-bit lanes, give four normals: stored to p in the order of elements. */
// @ts-ignore: decorator
@inline
export function normalPairsF64(p: usize, w0: v128, w1: v128, w2: v128, w3: v128, stddev: v128): void {
  const magic = f64x2.splat(6755399441055744);
  const u2 = uniform53(w2, w3);
  const radius = f64x2.sqrt(f64x2.mul(f64x2.splat(-2), logF64(uniform53(w0, w1))));
  const shifted = f64x2.add(f64x2.mul(u2, f64x2.splat(4)), magic);
  const quarter = f64x2.sub(shifted, magic);
  const turn = f64x2.sub(u2, f64x2.mul(quarter, f64x2.splat(0.25)));
  const x = f64x2.mul(turn, f64x2.splat(6.283185307179586));
  const z = f64x2.mul(x, x);
  let sine = f64x2.splat(1.58969099521155e-10);
  sine = step64(sine, z, -2.5050760253406863e-8);
  sine = step64(sine, z, 2.7557313707070068e-6);
  sine = step64(sine, z, -0.0001984126982985795);
  sine = step64(sine, z, 0.00833333333332249);
  sine = step64(sine, z, -0.16666666666666632);
  sine = f64x2.add(x, f64x2.mul(f64x2.mul(x, z), sine));
  let cosine = f64x2.splat(-1.1359647557788195e-11);
  cosine = step64(cosine, z, 2.087572321298175e-9);
  cosine = step64(cosine, z, -2.7557314351390663e-7);
  cosine = step64(cosine, z, 2.480158728947673e-5);
  cosine = step64(cosine, z, -0.001388888888887411);
  cosine = step64(cosine, z, 0.0416666666666666);
  cosine = f64x2.sub(f64x2.mul(f64x2.splat(0.5), z), f64x2.mul(f64x2.mul(z, z), cosine));
  cosine = f64x2.sub(f64x2.splat(1), cosine);
  // The low bits of the sum with 1.5 * 2^52 are the integer, the quadrant.
  const second = i64x2.shr_u(shifted, 1);
  const odd = i64x2.shr_s(i64x2.shl(shifted, 63), 63);
  const c = v128.xor(v128.bitselect(sine, cosine, odd), i64x2.shl(v128.xor(second, shifted), 63));
  const d = v128.xor(v128.bitselect(cosine, sine, odd), i64x2.shl(second, 63));
  const first = f64x2.mul(stddev, f64x2.mul(radius, c));
  const other = f64x2.mul(stddev, f64x2.mul(radius, d));
  v128.store(p, v128.shuffle<i64>(first, other, 0, 2));
  v128.store(p, v128.shuffle<i64>(first, other, 1, 3), 16);
}
