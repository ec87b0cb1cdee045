// Model merging: combinations of models and of their differences to a base, and what they are weighed by.
import { delta, deltas } from './deltas';
import { dotOfBlock } from './dots';
import { encodeBf16, encodeF16 } from './quant';
import { scratch } from './scratch';
import { kBrain, kHalf, kSingle, oneAt, pairAt, shiftOf } from './stored';

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

/** Elements i and i + 1 of the weighted sum of what lies beside `b`, which are those of the base. */
// @ts-ignore: decorator
@inline
function weightedPair(format: u32, delta: bool, i: usize, b: v128, sources: usize, weights: usize, lists: usize): v128 {
  const at = i << shiftOf(format);
  let sum = f64x2.splat(0);
  for (let k: usize = 0; k < lists; k++) {
    const x = pairAt(format, load<usize>(sources + (k << 2)) + at);
    sum = f64x2.add(sum, f64x2.mul(v128.load64_splat(weights + (k << 3)), delta ? f64x2.sub(x, b) : x));
  }
  return delta ? f64x2.add(b, sum) : sum;
}

// @ts-ignore: decorator
@inline
function weightedOne(format: u32, delta: bool, i: usize, b: f64, sources: usize, weights: usize, lists: usize): f64 {
  const at = i << shiftOf(format);
  let sum: f64 = 0;
  for (let k: usize = 0; k < lists; k++) {
    const x = oneAt(format, load<usize>(sources + (k << 2)) + at);
    sum += load<f64>(weights + (k << 3)) * (delta ? x - b : x);
  }
  return delta ? b + sum : sum;
}

export function deltaWeightedSumF32(dst: usize, base: usize, sources: usize, weights: usize, n: usize, lists: usize): void {
  let i: usize = 0;
  for (const body = n & ~1; i < body; i += 2) {
    const b = pairAt(kSingle, base + (i << 2));
    storePair(dst, i, weightedPair(kSingle, true, i, b, sources, weights, lists));
  }
  if (i < n) {
    const b = oneAt(kSingle, base + (i << 2));
    store<f32>(dst + (i << 2), <f32>weightedOne(kSingle, true, i, b, sources, weights, lists));
  }
}

/** Float32 results of a piece before they are stored as codes, in the scratch: 1,024 behind the lanes of the sums. */
const piece: usize = scratch + 256;
const kPiece: usize = 1024;

/** Codes of a weighted sum, and how far it lies from the reference; with `delta`, of the differences to it. */
// @ts-ignore: decorator
@inline
function weightedSumHalfOf(
  format: u32,
  delta: bool,
  dst: usize,
  sums: usize,
  reference: usize,
  sources: usize,
  weights: usize,
  n: usize,
  lists: usize,
): void {
  for (let start: usize = 0; start < n; start += kBlock) {
    memory.fill(lanes, 0, 256);
    const end = min(n, start + kBlock);
    for (let first = start; first < end; first += kPiece) {
      const count = min(end - first, kPiece);
      let i: usize = 0;
      for (const body = count & ~1; i < body; i += 2) {
        const b = pairAt(format, reference + ((first + i) << 1));
        const x = f32x4.demote_f64x2_zero(weightedPair(format, delta, first + i, b, sources, weights, lists));
        v128.store64_lane(piece + (i << 2), x, 0);
        const d = f64x2.sub(f64x2.promote_low_f32x4(x), b);
        const p = lanes + ((i & 15) << 3);
        v128.store(p, f64x2.add(v128.load(p), f64x2.mul(d, d)));
        v128.store(p, f64x2.add(v128.load(p, 128), f64x2.mul(b, b)), 128);
      }
      if (i < count) {
        const b = oneAt(format, reference + ((first + i) << 1));
        const x = <f32>weightedOne(format, delta, first + i, b, sources, weights, lists);
        store<f32>(piece + (i << 2), x);
        const d = <f64>x - b;
        const p = lanes + ((i & 15) << 3);
        store<f64>(p, load<f64>(p) + d * d);
        store<f64>(p, load<f64>(p, 128) + b * b, 128);
      }
      storeCodes(format, dst + (first << 1), count);
    }
    store<f64>(sums, load<f64>(sums) + totalOfLanes(lanes));
    store<f64>(sums, load<f64>(sums, 8) + totalOfLanes(lanes + 128), 8);
  }
}

/** The nearest codes of what stands in `piece`, every NaN the quiet one without a sign. */
function storeCodes(format: u32, dst: usize, n: usize): void {
  const quiet = i32x4.splat(0x7fc00000);
  for (let p = piece; p < piece + (n << 2); p += 16) {
    const v = v128.load(p);
    v128.store(p, v128.bitselect(v, quiet, f32x4.eq(v, v)));
  }
  if (format == kBrain) encodeBf16(dst, piece, n);
  else encodeF16(dst, piece, n);
}

function weightedSumHalfBy(
  format: u32,
  delta: bool,
  dst: usize,
  sums: usize,
  reference: usize,
  sources: usize,
  weights: usize,
  n: usize,
  lists: usize,
): void {
  if (format == kBrain) {
    if (delta) weightedSumHalfOf(kBrain, true, dst, sums, reference, sources, weights, n, lists);
    else weightedSumHalfOf(kBrain, false, dst, sums, reference, sources, weights, n, lists);
  } else if (delta) weightedSumHalfOf(kHalf, true, dst, sums, reference, sources, weights, n, lists);
  else weightedSumHalfOf(kHalf, false, dst, sums, reference, sources, weights, n, lists);
}

export function deltaWeightedSumHalf(
  dst: usize,
  sums: usize,
  base: usize,
  sources: usize,
  weights: usize,
  n: usize,
  lists: usize,
  format: u32,
): void {
  weightedSumHalfBy(format, true, dst, sums, base, sources, weights, n, lists);
}

export function weightedSumHalf(
  dst: usize,
  sums: usize,
  reference: usize,
  sources: usize,
  weights: usize,
  n: usize,
  lists: usize,
  format: u32,
): void {
  weightedSumHalfBy(format, false, dst, sums, reference, sources, weights, n, lists);
}

/** Lanes of a block while it is summed row by row: 16 float64, twice where there are two sums. */
const lanes: usize = scratch;

/** Halving lane tree. */
function totalOfLanes(lanes: usize): f64 {
  for (let half: usize = 8; half > 0; half >>= 1)
    for (let lane: usize = 0; lane < half; lane++) {
      const p = lanes + (lane << 3);
      store<f64>(p, load<f64>(p) + load<f64>(p + (half << 3)));
    }
  return load<f64>(lanes);
}

export function dotDeltasF64(dots: usize, sources: usize, x: usize, base: usize, lists: usize, n: usize): void {
  for (let start: usize = 0; start < n; start += kBlock) {
    const count = min(n - start, kBlock);
    for (let k: usize = 0; k < lists; k++) {
      const u = at(sources, k, start);
      const v = x + (start << 2);
      const p = dots + (k << 3);
      store<f64>(p, load<f64>(p) + dotOfBlock(kSingle, u, v, base ? base + (start << 2) : 0, count));
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
    store<f64>(sum, load<f64>(sum) + totalOfLanes(lanes));
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

export function measureChangeF64(sums: usize, x: usize, base: usize, n: usize): void {
  for (let start: usize = 0; start < n; start += kBlock) {
    const count = min(n - start, kBlock);
    const b = base + (start << 2);
    const v = x + (start << 2);
    store<f64>(sums, load<f64>(sums) + dotOfBlock(kSingle, v, v, b, count));
    store<f64>(sums, load<f64>(sums, 8) + dotOfBlock(kSingle, b, b, 0, count), 8);
  }
}
