// Reductions: float64 sums by the sum rule, and selections stated as compares.
import { kProduct, kSum, sumOfSquares, sumTerms } from './sums';

const kInfinity: i32 = 0x7f800000;

export function dotF32(a: usize, b: usize, n: usize): f64 {
  return sumTerms(kProduct, a, b, n);
}

export function sumSquaresF32(x: usize, n: usize): f64 {
  return sumOfSquares(x, n);
}

export function maxAbsF32(x: usize, n: usize): f32 {
  const end = x + (n << 2);
  let m0 = f32x4.splat(0);
  let m1 = m0;
  // pmax(m, v) is `m < v ? v : m`: a NaN never wins.
  for (const bodyEnd = x + ((n & ~7) << 2); x < bodyEnd; x += 32) {
    m0 = f32x4.pmax(m0, f32x4.abs(v128.load(x)));
    m1 = f32x4.pmax(m1, f32x4.abs(v128.load(x, 16)));
  }
  m0 = f32x4.pmax(m0, m1);
  let largest = max(f32x4.extract_lane(m0, 0), f32x4.extract_lane(m0, 1));
  largest = max(largest, max(f32x4.extract_lane(m0, 2), f32x4.extract_lane(m0, 3)));
  for (; x < end; x += 4) {
    const v = abs(load<f32>(x));
    largest = v > largest ? v : largest;
  }
  return largest;
}

export function allFiniteF32(x: usize, n: usize): u32 {
  const end = x + (n << 2);
  const bodyEnd = x + ((n & ~7) << 2);
  const magnitude = i32x4.splat(0x7fffffff);
  while (x < bodyEnd) {
    const chunkEnd = min(x + 16384, bodyEnd);
    let m0 = i32x4.splat(0);
    let m1 = m0;
    for (; x < chunkEnd; x += 32) {
      m0 = i32x4.max_s(m0, v128.and(v128.load(x), magnitude));
      m1 = i32x4.max_s(m1, v128.and(v128.load(x, 16), magnitude));
    }
    if (v128.any_true(i32x4.ge_s(i32x4.max_s(m0, m1), i32x4.splat(kInfinity)))) return 0;
  }
  for (; x < end; x += 4) if ((load<i32>(x) & 0x7fffffff) >= kInfinity) return 0;
  return 1;
}

export function dotAndNormsF32(out: usize, a: usize, b: usize, n: usize): void {
  let ab: f64 = 0;
  let aa: f64 = 0;
  let bb: f64 = 0;
  // Blocks are summed apart, so three passes over one block give the same as three passes over all; it stays in cache.
  for (let start: usize = 0; start < n; start += 65536) {
    const count = min(n - start, 65536);
    ab += sumTerms(kProduct, a + (start << 2), b + (start << 2), count);
    aa += sumOfSquares(a + (start << 2), count);
    bb += sumOfSquares(b + (start << 2), count);
  }
  store<f64>(out, ab);
  store<f64>(out, aa, 8);
  store<f64>(out, bb, 16);
}

export function sumSegmentsF32(out: usize, x: usize, offsets: usize, segments: usize, _n: usize): void {
  for (let s: usize = 0; s < segments; s++) {
    const begin: usize = load<u32>(offsets + (s << 2));
    const end: usize = load<u32>(offsets + (s << 2), 4);
    store<f64>(out + (s << 3), sumTerms(kSum, x + (begin << 2), 0, end - begin));
  }
}

export function sumSquaresRowsF32(out: usize, x: usize, rows: usize, cols: u32): void {
  for (let r: usize = 0; r < rows; r++)
    store<f64>(out + (r << 3), load<f64>(out + (r << 3)) + sumOfSquares(x + ((r * cols) << 2), cols));
}
