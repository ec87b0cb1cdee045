// Model merging: combinations of models and of their differences to a base, and what they are weighed by.
import { delta, deltas } from './deltas';
import { scratch } from './scratch';
import { kProduct, sumTerms } from './sums';

const kBlock: usize = 65536;

/** Element i of list member k. */
// @ts-ignore: decorator
@inline
function at(list: usize, k: usize, i: usize): usize {
  return load<usize>(list + (k << 2)) + (i << 2);
}
/** Two float32 from p on, as float64. */
// @ts-ignore: decorator
@inline
function pair(p: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(p));
}

// @ts-ignore: decorator
@inline
function storePair(dst: usize, i: usize, v: v128): void {
  v128.store64_lane(dst + (i << 2), f32x4.demote_f64x2_zero(v), 0);
}

export function deltaWeightedSumF32(dst: usize, base: usize, sources: usize, weights: usize, n: usize, lists: usize): void {
  let i: usize = 0;
  for (const body = n & ~1; i < body; i += 2) {
    const b = pair(base + (i << 2));
    let sum = f64x2.splat(0);
    for (let k: usize = 0; k < lists; k++)
      sum = f64x2.add(sum, f64x2.mul(v128.load64_splat(weights + (k << 3)), f64x2.sub(pair(at(sources, k, i)), b)));
    storePair(dst, i, f64x2.add(b, sum));
  }
  if (i < n) {
    const b = <f64>load<f32>(base + (i << 2));
    let sum: f64 = 0;
    for (let k: usize = 0; k < lists; k++)
      sum += load<f64>(weights + (k << 3)) * (<f64>load<f32>(at(sources, k, i)) - b);
    store<f32>(dst + (i << 2), <f32>(b + sum));
  }
}

/** Lanes of a block while it is summed row by row: 16 float64. */
const lanes: usize = scratch;

/** Halving lane tree. */
function totalOfLanes(): f64 {
  for (let half: usize = 8; half > 0; half >>= 1)
    for (let lane: usize = 0; lane < half; lane++) {
      const p = lanes + (lane << 3);
      store<f64>(p, load<f64>(p) + load<f64>(p + (half << 3)));
    }
  return load<f64>(lanes);
}

// @ts-ignore: decorator
@inline
function addProduct(lane: usize, x: usize, y: usize, b: usize): void {
  const base = pair(b);
  const p = lanes + (lane << 3);
  v128.store(p, f64x2.add(v128.load(p), f64x2.mul(f64x2.sub(pair(x), base), f64x2.sub(pair(y), base))));
}

/** Sum of (u - b) * (x - b) over at most one block. */
function blockOfDeltas(u: usize, x: usize, b: usize, n: usize): f64 {
  memory.fill(lanes, 0, 128);
  const rest = n & 15;
  for (const end = u + ((n & ~15) << 2); u < end; u += 64, x += 64, b += 64) {
    addProduct(0, u, x, b);
    addProduct(2, u + 8, x + 8, b + 8);
    addProduct(4, u + 16, x + 16, b + 16);
    addProduct(6, u + 24, x + 24, b + 24);
    addProduct(8, u + 32, x + 32, b + 32);
    addProduct(10, u + 40, x + 40, b + 40);
    addProduct(12, u + 48, x + 48, b + 48);
    addProduct(14, u + 56, x + 56, b + 56);
  }
  for (let lane: usize = 0; lane < rest; lane++, u += 4, x += 4, b += 4) {
    const base = <f64>load<f32>(b);
    const p = lanes + (lane << 3);
    store<f64>(p, load<f64>(p) + (<f64>load<f32>(u) - base) * (<f64>load<f32>(x) - base));
  }
  return totalOfLanes();
}

export function dotDeltasF64(dots: usize, sources: usize, x: usize, base: usize, lists: usize, n: usize): void {
  for (let start: usize = 0; start < n; start += kBlock) {
    const count = min(n - start, kBlock);
    for (let k: usize = 0; k < lists; k++) {
      const u = at(sources, k, start);
      const v = x + (start << 2);
      const sum = base ? blockOfDeltas(u, v, base + (start << 2), count) : sumTerms(kProduct, u, v, count);
      const p = dots + (k << 3);
      store<f64>(p, load<f64>(p) + sum);
    }
  }
}

export function sumAbsDeltaF64(sum: usize, x: usize, base: usize, n: usize): void {
  for (let start: usize = 0; start < n; start += kBlock) {
    const count = min(n - start, kBlock);
    memory.fill(lanes, 0, 128);
    let i: usize = 0;
    for (const body = count & ~15; i < body; i += 16)
      for (let row: usize = 0; row < 16; row += 4) {
        const d = f32x4.abs(deltas(x, base, start + i + row));
        const p = lanes + (row << 3);
        v128.store(p, f64x2.add(v128.load(p), f64x2.promote_low_f32x4(d)));
        const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(d, d, 1, 1));
        v128.store(p, f64x2.add(v128.load(p, 16), high), 16);
      }
    for (let lane: usize = 0; i < count; i++, lane++) {
      const p = lanes + (lane << 3);
      store<f64>(p, load<f64>(p) + <f64>abs(delta(x, base, start + i)));
    }
    store<f64>(sum, load<f64>(sum) + totalOfLanes());
  }
}

/** Two elements at a time where `wide`, else one in both lanes. */
// @ts-ignore: decorator
@inline
function loadLanes(p: usize, wide: bool): v128 {
  return wide ? pair(p) : f64x2.splat(<f64>load<f32>(p));
}

// @ts-ignore: decorator
@inline
function storeLanes(dst: usize, i: usize, v: v128, wide: bool): void {
  if (wide) storePair(dst, i, v);
  else store<f32>(dst + (i << 2), <f32>f64x2.extract_lane(v, 0));
}

export function electMeanF32(
  dst: usize,
  base: usize,
  deltaList: usize,
  votes: usize,
  scales: usize,
  weights: usize,
  n: usize,
  lists: usize,
  lambda: f64,
  floor: f64,
  normalize: u32,
): void {
  const zero = f64x2.splat(0);
  const one = f64x2.splat(1);
  const floors = f64x2.splat(floor);
  for (let i: usize = 0; i < n; i += 2) {
    const wide = i + 1 < n;
    let vote = zero;
    for (let k: usize = 0; k < lists; k++)
      vote = f64x2.add(vote, f64x2.mul(v128.load64_splat(votes + (k << 3)), loadLanes(at(deltaList, k, i), wide)));
    const positive = f64x2.ge(vote, zero);
    let sum = zero;
    let weight = zero;
    for (let k: usize = 0; k < lists; k++) {
      const e = f64x2.mul(v128.load64_splat(scales + (k << 3)), loadLanes(at(deltaList, k, i), wide));
      const agrees = v128.bitselect(f64x2.gt(e, zero), f64x2.lt(e, zero), positive);
      sum = f64x2.add(sum, v128.and(e, agrees));
      weight = f64x2.add(weight, v128.and(v128.load64_splat(weights + (k << 3)), agrees));
    }
    if (normalize) {
      weight = v128.bitselect(floors, weight, f64x2.lt(weight, floors));
      weight = v128.bitselect(one, weight, f64x2.eq(weight, zero));
      sum = f64x2.div(sum, weight);
    }
    storeLanes(dst, i, f64x2.add(loadLanes(base + (i << 2), wide), f64x2.mul(f64x2.splat(lambda), sum)), wide);
  }
}

export function varianceF32(dst: usize, sources: usize, weights: usize, n: usize, lists: usize): void {
  for (let i: usize = 0; i < n; i += 2) {
    const wide = i + 1 < n;
    const first = loadLanes(at(sources, 0, i), wide);
    let mean = f64x2.splat(0);
    for (let k: usize = 0; k < lists; k++) {
      const d = f64x2.sub(loadLanes(at(sources, k, i), wide), first);
      mean = f64x2.add(mean, f64x2.mul(v128.load64_splat(weights + (k << 3)), d));
    }
    let variance = f64x2.splat(0);
    for (let k: usize = 0; k < lists; k++) {
      const e = f64x2.sub(f64x2.sub(loadLanes(at(sources, k, i), wide), first), mean);
      variance = f64x2.add(variance, f64x2.mul(v128.load64_splat(weights + (k << 3)), f64x2.mul(e, e)));
    }
    storeLanes(dst, i, variance, wide);
  }
}

export function addUniqueDeltasF32(
  dst: usize,
  base: usize,
  sources: usize,
  uniqueScales: usize,
  n: usize,
  lists: usize,
  epsilon: f64,
): void {
  const zero = f64x2.splat(0);
  const one = f64x2.splat(1);
  const least = f64x2.splat(epsilon);
  for (let i: usize = 0; i < n; i += 2) {
    const wide = i + 1 < n;
    const b = loadLanes(base + (i << 2), wide);
    let count = zero;
    let sum = zero;
    let scaled = zero;
    for (let k: usize = 0; k < lists; k++) {
      const d = f64x2.sub(loadLanes(at(sources, k, i), wide), b);
      const holds = f64x2.gt(f64x2.abs(d), least);
      count = f64x2.add(count, v128.and(one, holds));
      sum = f64x2.add(sum, v128.and(d, holds));
      scaled = f64x2.add(scaled, v128.and(f64x2.mul(v128.load64_splat(uniqueScales + (k << 3)), d), holds));
    }
    const mean = f64x2.div(sum, v128.bitselect(one, count, f64x2.eq(count, zero)));
    storeLanes(dst, i, f64x2.add(b, v128.bitselect(scaled, mean, f64x2.eq(count, one))), wide);
  }
}

export function countUniqueF64(
  shared: usize,
  unique: usize,
  base: usize,
  sources: usize,
  lists: usize,
  n: usize,
  epsilon: f64,
): void {
  for (let i: usize = 0; i < n; i++) {
    const b = <f64>load<f32>(base + (i << 2));
    let holders = 0;
    for (let k: usize = 0; k < lists; k++) if (abs(<f64>load<f32>(at(sources, k, i)) - b) > epsilon) holders++;
    if (holders == 0) continue;
    const counts = holders > 1 ? shared : unique;
    for (let k: usize = 0; k < lists; k++)
      if (abs(<f64>load<f32>(at(sources, k, i)) - b) > epsilon) {
        const p = counts + (k << 3);
        store<f64>(p, load<f64>(p) + 1);
      }
  }
}

export function nearSwapF32(dst: usize, base: usize, y: usize, n: usize, t: f64): void {
  const one = f64x2.splat(1);
  const least = f64x2.splat(1e-6);
  for (let i: usize = 0; i < n; i += 2) {
    const wide = i + 1 < n;
    const b = loadLanes(base + (i << 2), wide);
    const v = loadLanes(y + (i << 2), wide);
    const distance = f64x2.abs(f64x2.sub(b, v));
    const ratio = f64x2.div(f64x2.splat(t), v128.bitselect(least, distance, f64x2.lt(distance, least)));
    const w = v128.bitselect(one, ratio, f64x2.gt(ratio, one));
    storeLanes(dst, i, f64x2.add(f64x2.mul(w, v), f64x2.mul(f64x2.sub(one, w), b)), wide);
  }
}
