// Diagonal Fisher information.
import { kSumF64, sumTerms } from './sums';

export function accumulateSquaresF64(acc: usize, g: usize, n: usize): void {
  const end = acc + (n << 3);
  const bodyEnd = acc + ((n & ~1) << 3);
  for (; acc < bodyEnd; acc += 16, g += 8) {
    const u = f64x2.promote_low_f32x4(v128.load64_zero(g));
    v128.store(acc, f64x2.add(v128.load(acc), f64x2.mul(u, u)));
  }
  if (acc < end) {
    const u = <f64>load<f32>(g);
    store<f64>(acc, load<f64>(acc) + u * u);
  }
}

export function movingAverageSquaresF32(v: usize, g: usize, n: usize, decay: f32): void {
  const end = v + (n << 2);
  const bodyEnd = v + ((n & ~3) << 2);
  const take: f32 = 1 - decay;
  const keepAll = f32x4.splat(decay);
  const takeAll = f32x4.splat(take);
  for (; v < bodyEnd; v += 16, g += 16) {
    const u = v128.load(g);
    const sum = f32x4.add(f32x4.mul(keepAll, v128.load(v)), f32x4.mul(takeAll, f32x4.mul(u, u)));
    v128.store(v, sum);
  }
  for (; v < end; v += 4, g += 4) {
    const u = load<f32>(g);
    store<f32>(v, decay * load<f32>(v) + take * (u * u));
  }
}

export function scoreUnitsF64(scores: usize, fisher: usize, units: usize, rowLength: u32): void {
  for (let u: usize = 0; u < units; u++) {
    const row = sumTerms(kSumF64, fisher + ((u * rowLength) << 3), 0, rowLength);
    store<f64>(scores + (u << 3), load<f64>(scores + (u << 3)) + row);
  }
}

export function fisherAverageF32(
  dst: usize,
  models: usize,
  fishers: usize,
  weights: usize,
  n: usize,
  lists: usize,
  floor: f64,
): void {
  const floors = f64x2.splat(floor);
  let i: usize = 0;
  for (const body = n & ~1; i < body; i += 2) {
    let numerator = f64x2.splat(0);
    let denominator = f64x2.splat(0);
    for (let k: usize = 0; k < lists; k++) {
      const information = f64x2.promote_low_f32x4(v128.load64_zero(load<usize>(fishers + (k << 2)) + (i << 2)));
      // pmax(floor, F) is `floor < F ? F : floor`: a NaN gives the floor.
      const precision = f64x2.mul(v128.load64_splat(weights + (k << 3)), f64x2.pmax(floors, information));
      const model = f64x2.promote_low_f32x4(v128.load64_zero(load<usize>(models + (k << 2)) + (i << 2)));
      numerator = f64x2.add(numerator, f64x2.mul(precision, model));
      denominator = f64x2.add(denominator, precision);
    }
    const mean = f32x4.demote_f64x2_zero(f64x2.div(numerator, denominator));
    v128.store64_lane(dst + (i << 2), mean, 0);
  }
  if (i < n) {
    let numerator: f64 = 0;
    let denominator: f64 = 0;
    for (let k: usize = 0; k < lists; k++) {
      const information = <f64>load<f32>(load<usize>(fishers + (k << 2)) + (i << 2));
      const precision = load<f64>(weights + (k << 3)) * (information > floor ? information : floor);
      numerator += precision * <f64>load<f32>(load<usize>(models + (k << 2)) + (i << 2));
      denominator += precision;
    }
    store<f32>(dst + (i << 2), <f32>(numerator / denominator));
  }
}
