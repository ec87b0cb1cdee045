// Inner products of differences to a base over one block of the sum rule (docs/kernels.md). A base of 0 is not there.
import { kBrain, kHalf, kSingle, oneAt, pairAt, shiftOf } from './stored';

/** 16 lanes of a block. */
const lanes: usize = memory.data(128, 16);

/** Products of elements 2v and 2v + 1. */
// @ts-ignore: decorator
@inline
function products(format: u32, based: bool, u: usize, x: usize, b: usize): v128 {
  if (!based) return f64x2.mul(pairAt(format, u), pairAt(format, x));
  const base = pairAt(format, b);
  return f64x2.mul(f64x2.sub(pairAt(format, u), base), f64x2.sub(pairAt(format, x), base));
}

// @ts-ignore: decorator
@inline
function product(format: u32, based: bool, u: usize, x: usize, b: usize): f64 {
  if (!based) return oneAt(format, u) * oneAt(format, x);
  const base = oneAt(format, b);
  return (oneAt(format, u) - base) * (oneAt(format, x) - base);
}

// @ts-ignore: decorator
@inline
function sumOf(format: u32, based: bool, u: usize, x: usize, b: usize, n: usize): f64 {
  const shift = shiftOf(format);
  const pair: usize = 2 << shift;
  const row: usize = 16 << shift;
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  let s4 = f64x2.splat(0);
  let s5 = f64x2.splat(0);
  let s6 = f64x2.splat(0);
  let s7 = f64x2.splat(0);
  for (const end = u + ((n & ~15) << shift); u < end; u += row, x += row, b += row) {
    s0 = f64x2.add(s0, products(format, based, u, x, b));
    s1 = f64x2.add(s1, products(format, based, u + pair, x + pair, b + pair));
    s2 = f64x2.add(s2, products(format, based, u + pair * 2, x + pair * 2, b + pair * 2));
    s3 = f64x2.add(s3, products(format, based, u + pair * 3, x + pair * 3, b + pair * 3));
    s4 = f64x2.add(s4, products(format, based, u + pair * 4, x + pair * 4, b + pair * 4));
    s5 = f64x2.add(s5, products(format, based, u + pair * 5, x + pair * 5, b + pair * 5));
    s6 = f64x2.add(s6, products(format, based, u + pair * 6, x + pair * 6, b + pair * 6));
    s7 = f64x2.add(s7, products(format, based, u + pair * 7, x + pair * 7, b + pair * 7));
  }
  v128.store(lanes, s0);
  v128.store(lanes, s1, 16);
  v128.store(lanes, s2, 32);
  v128.store(lanes, s3, 48);
  v128.store(lanes, s4, 64);
  v128.store(lanes, s5, 80);
  v128.store(lanes, s6, 96);
  v128.store(lanes, s7, 112);
  for (let rest = n & 15, p = lanes; rest > 0; rest--, p += 8) {
    store<f64>(p, load<f64>(p) + product(format, based, u, x, b));
    u += <usize>1 << shift;
    x += <usize>1 << shift;
    b += <usize>1 << shift;
  }
  for (let half: usize = 64; half >= 8; half >>= 1)
    for (let p = lanes; p < lanes + half; p += 8) store<f64>(p, load<f64>(p) + load<f64>(p + half));
  return load<f64>(lanes);
}

/** Sum of (u - b) * (x - b) over at most one block. */
export function dotOfBlock(format: u32, u: usize, x: usize, b: usize, n: usize): f64 {
  if (format == kSingle) return b ? sumOf(kSingle, true, u, x, b, n) : sumOf(kSingle, false, u, x, b, n);
  if (format == kBrain) return b ? sumOf(kBrain, true, u, x, b, n) : sumOf(kBrain, false, u, x, b, n);
  return b ? sumOf(kHalf, true, u, x, b, n) : sumOf(kHalf, false, u, x, b, n);
}
