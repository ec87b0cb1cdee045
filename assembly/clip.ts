// Clipping to an L2 ball, and the float64 accumulation of float32 updates.
import { clipFactor } from './clip_factor';
import { sumOfSquares } from './sums';
import { scaleF32 } from './vector';

export function clipInPlaceF32(x: usize, n: usize, maxNorm: f64): f64 {
  const norm = sqrt(sumOfSquares(x, n));
  if (!isFinite(norm)) return norm;
  const factor = clipFactor(norm, maxNorm);
  if (factor != 1) scaleF32(x, n, factor);
  return norm;
}

export function clipAccumulateF64(acc: usize, x: usize, n: usize, maxNorm: f64, weight: f64): f64 {
  const norm = sqrt(sumOfSquares(x, n));
  if (!isFinite(norm)) return norm;
  const factor = clipFactor(norm, maxNorm);
  const end = acc + (n << 3);
  const bodyEnd = acc + ((n & ~1) << 3);
  const f = f32x4.splat(factor);
  const w = f64x2.splat(weight);
  for (; acc < bodyEnd; acc += 16, x += 8) {
    const clipped = f64x2.promote_low_f32x4(f32x4.mul(v128.load64_zero(x), f));
    v128.store(acc, f64x2.add(v128.load(acc), f64x2.mul(w, clipped)));
  }
  if (acc < end) store<f64>(acc, load<f64>(acc) + weight * <f64>(load<f32>(x) * factor));
  return norm;
}

export function accumulateF64(acc: usize, x: usize, n: usize, weight: f64): void {
  const end = acc + (n << 3);
  const bodyEnd = acc + ((n & ~1) << 3);
  const w = f64x2.splat(weight);
  for (; acc < bodyEnd; acc += 16, x += 8) {
    const v = f64x2.promote_low_f32x4(v128.load64_zero(x));
    v128.store(acc, f64x2.add(v128.load(acc), f64x2.mul(w, v)));
  }
  if (acc < end) store<f64>(acc, load<f64>(acc) + weight * <f64>load<f32>(x));
}

export function maskedAccumulateF64(acc: usize, counts: usize, x: usize, mask: usize, n: usize, weight: f64): void {
  const end = acc + (n << 3);
  const bodyEnd = acc + ((n & ~1) << 3);
  const w = f64x2.splat(weight);
  for (; acc < bodyEnd; acc += 16, counts += 16, x += 8, mask += 2) {
    const held = i64x2.ne(i64x2(load<u8>(mask), load<u8>(mask, 1)), i64x2.splat(0));
    const old = v128.load(acc);
    const sum = f64x2.add(old, f64x2.mul(w, f64x2.promote_low_f32x4(v128.load64_zero(x))));
    v128.store(acc, v128.bitselect(sum, old, held));
    const count = v128.load(counts);
    v128.store(counts, v128.bitselect(f64x2.add(count, w), count, held));
  }
  if (acc < end && load<u8>(mask) != 0) {
    store<f64>(acc, load<f64>(acc) + weight * <f64>load<f32>(x));
    store<f64>(counts, load<f64>(counts) + weight);
  }
}

export function meanF32(dst: usize, acc: usize, n: usize, denominator: f64): void {
  const end = dst + (n << 2);
  const bodyEnd = dst + ((n & ~1) << 2);
  const d = f64x2.splat(denominator);
  for (; dst < bodyEnd; dst += 8, acc += 16)
    v128.store64_lane(dst, f32x4.demote_f64x2_zero(f64x2.div(v128.load(acc), d)), 0);
  if (dst < end) store<f32>(dst, <f32>(load<f64>(acc) / denominator));
}

export function meanOfHoldersF32(dst: usize, acc: usize, counts: usize, n: usize, minCount: f64): void {
  const end = dst + (n << 2);
  for (; dst < end; dst += 4, acc += 8, counts += 8) {
    const count = load<f64>(counts);
    store<f32>(dst, count > 0 && count >= minCount ? <f32>(load<f64>(acc) / count) : 0);
  }
}

export function weightedSumF32(dst: usize, sources: usize, weights: usize, n: usize, lists: usize): void {
  let i: usize = 0;
  for (const body = n & ~7; i < body; i += 8) {
    let s0 = f64x2.splat(0);
    let s1 = f64x2.splat(0);
    let s2 = f64x2.splat(0);
    let s3 = f64x2.splat(0);
    for (let k: usize = 0; k < lists; k++) {
      const p = load<usize>(sources + (k << 2)) + (i << 2);
      const w = v128.load64_splat(weights + (k << 3));
      s0 = f64x2.add(s0, f64x2.mul(w, f64x2.promote_low_f32x4(v128.load64_zero(p))));
      s1 = f64x2.add(s1, f64x2.mul(w, f64x2.promote_low_f32x4(v128.load64_zero(p, 8))));
      s2 = f64x2.add(s2, f64x2.mul(w, f64x2.promote_low_f32x4(v128.load64_zero(p, 16))));
      s3 = f64x2.add(s3, f64x2.mul(w, f64x2.promote_low_f32x4(v128.load64_zero(p, 24))));
    }
    const out = dst + (i << 2);
    v128.store64_lane(out, f32x4.demote_f64x2_zero(s0), 0);
    v128.store64_lane(out, f32x4.demote_f64x2_zero(s1), 0, 8);
    v128.store64_lane(out, f32x4.demote_f64x2_zero(s2), 0, 16);
    v128.store64_lane(out, f32x4.demote_f64x2_zero(s3), 0, 24);
  }
  for (; i < n; i++) {
    let sum: f64 = 0;
    for (let k: usize = 0; k < lists; k++)
      sum += load<f64>(weights + (k << 3)) * <f64>load<f32>(load<usize>(sources + (k << 2)) + (i << 2));
    store<f32>(dst + (i << 2), <f32>sum);
  }
}
