// exp, log, tanh and the logistic function on four lanes: the float32 steps of src/kernels/reference/elementary.ts.

// @ts-ignore: decorator
@inline
function step(p: v128, x: v128, c: f32): v128 {
  return f32x4.add(f32x4.mul(p, x), f32x4.splat(c));
}

export function expOf(x: v128): v128 {
  // pmax(a, b) is a < b ? b : a, pmin(a, b) is b < a ? b : a: a NaN in the first operand stays.
  const c = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-104)), f32x4.splat(89));
  const magic = f32x4.splat(12582912);
  const shifted = f32x4.add(f32x4.mul(c, f32x4.splat(1.44269504088896341)), magic);
  const n = f32x4.sub(shifted, magic);
  const r = f32x4.sub(
    f32x4.sub(c, f32x4.mul(n, f32x4.splat(0.693359375))),
    f32x4.mul(n, f32x4.splat(-2.1219444e-4)),
  );
  let p = f32x4.splat(1.98756915e-4);
  p = step(p, r, 1.3981999507e-3);
  p = step(p, r, 8.3334519073e-3);
  p = step(p, r, 4.1665795894e-2);
  p = step(p, r, 1.6666665459e-1);
  p = step(p, r, 5.0000001201e-1);
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
  const exponent = i32x4.sub(shifted, i32x4.splat(0x4b400000));
  const half = i32x4.shr_s(exponent, 1);
  const bias = i32x4.splat(127);
  const first = i32x4.shl(i32x4.add(half, bias), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(exponent, half), bias), 23);
  return f32x4.mul(f32x4.mul(p, first), second);
}

export function logOf(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(1.1754943508222875e-38));
  const pattern = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, tiny);
  const exponent = i32x4.shr_s(i32x4.sub(pattern, i32x4.splat(0x3f3504f3)), 23);
  const e = f32x4.convert_i32x4_s(i32x4.sub(exponent, v128.and(tiny, i32x4.splat(23))));
  const m = f32x4.sub(i32x4.sub(pattern, i32x4.shl(exponent, 23)), f32x4.splat(1));
  const z = f32x4.mul(m, m);
  let p = f32x4.splat(7.0376836292e-2);
  p = step(p, m, -1.151461031e-1);
  p = step(p, m, 1.167699874e-1);
  p = step(p, m, -1.2420140846e-1);
  p = step(p, m, 1.4249322787e-1);
  p = step(p, m, -1.6668057665e-1);
  p = step(p, m, 2.0000714765e-1);
  p = step(p, m, -2.4999993993e-1);
  p = step(p, m, 3.3333331174e-1);
  let y = f32x4.mul(f32x4.mul(p, m), z);
  y = f32x4.add(y, f32x4.mul(e, f32x4.splat(-2.1219444e-4)));
  y = f32x4.sub(y, f32x4.mul(z, f32x4.splat(0.5)));
  y = f32x4.add(f32x4.add(m, y), f32x4.mul(e, f32x4.splat(0.693359375)));
  const infinity = f32x4.splat(Infinity);
  const zero = f32x4.splat(0);
  y = v128.bitselect(x, y, f32x4.eq(x, infinity));
  y = v128.bitselect(f32x4.neg(infinity), y, f32x4.eq(x, zero));
  return v128.bitselect(y, f32x4.splat(NaN), f32x4.ge(x, zero));
}

export function tanhOf(x: v128): v128 {
  const a = f32x4.abs(x);
  const z = f32x4.mul(a, a);
  let p = f32x4.splat(-5.70498872745e-3);
  p = step(p, z, 2.06390887954e-2);
  p = step(p, z, -5.37397155531e-2);
  p = step(p, z, 1.33314422036e-1);
  p = step(p, z, -3.33332819422e-1);
  const one = f32x4.splat(1);
  const small = f32x4.add(f32x4.mul(f32x4.mul(p, z), a), a);
  const large = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(expOf(f32x4.add(a, a)), one)));
  const y = v128.bitselect(small, large, f32x4.lt(a, f32x4.splat(0.625)));
  return v128.or(y, v128.and(x, i32x4.splat(0x80000000)));
}

export function sigmoidOf(x: v128): v128 {
  const one = f32x4.splat(1);
  const e = expOf(v128.or(x, i32x4.splat(0x80000000)));
  const top = v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0)));
  return f32x4.div(top, f32x4.add(one, e));
}

// x < 0 ? 0 : x
// @ts-ignore: decorator
@inline
export function reluOf(x: v128): v128 {
  return f32x4.pmax(x, f32x4.splat(0));
}

// The activation applied in a store: 0 none, 1 relu, 2 tanh, 3 sigmoid.
export function activate(code: u32, x: v128): v128 {
  if (code == 1) return reluOf(x);
  if (code == 2) return tanhOf(x);
  return code == 3 ? sigmoidOf(x) : x;
}

// The first `count` floats at p, 1 to 3, zeros in the other lanes.
export function loadPart(p: usize, count: usize): v128 {
  let v = v128.load32_zero(p);
  if (count > 1) v = v128.load32_lane(p + 4, v, 1);
  if (count > 2) v = v128.load32_lane(p + 8, v, 2);
  return v;
}

export function storePart(p: usize, v: v128, count: usize): void {
  v128.store32_lane(p, v, 0);
  if (count > 1) v128.store32_lane(p + 4, v, 1);
  if (count > 2) v128.store32_lane(p + 8, v, 2);
}

// Either of them with 4 as well, and with 0 doing nothing.
export function loadUpTo4(p: usize, count: usize): v128 {
  if (count >= 4) return v128.load(p);
  return count == 0 ? f32x4.splat(0) : loadPart(p, count);
}

export function storeUpTo4(p: usize, v: v128, count: usize): void {
  if (count >= 4) v128.store(p, v);
  else if (count > 0) storePart(p, v, count);
}
