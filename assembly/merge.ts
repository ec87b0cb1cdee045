// Passes over task vectors d = x - base of model merging. A base of 0 is not there.
import { fillWords, kPiece, openStream, pieceWords } from './philox';
import { scratch } from './scratch';
import { kProduct, sumTerms } from './sums';

const kBlock: usize = 65536;
const kInfinity: u32 = 0x7f800000;
const kQuietNan: u32 = 0x7fc00000;

/** Element i of list member k. */
// @ts-ignore: decorator
@inline
function at(list: usize, k: usize, i: usize): usize {
  return load<usize>(list + (k << 2)) + (i << 2);
}

// @ts-ignore: decorator
@inline
function delta(x: usize, base: usize, i: usize): f32 {
  const v = load<f32>(x + (i << 2));
  return base ? v - load<f32>(base + (i << 2)) : v;
}

// @ts-ignore: decorator
@inline
function deltas(x: usize, base: usize, i: usize): v128 {
  const v = v128.load(x + (i << 2));
  return base ? f32x4.sub(v, v128.load(base + (i << 2))) : v;
}

// @ts-ignore: decorator
@inline
function magnitudeOf(v: f32): u32 {
  const m = reinterpret<u32>(v) & 0x7fffffff;
  return m > kInfinity ? kQuietNan : m;
}

// @ts-ignore: decorator
@inline
function magnitudesOf(v: v128): v128 {
  const m = v128.and(v, i32x4.splat(0x7fffffff));
  return v128.bitselect(i32x4.splat(kQuietNan), m, i32x4.gt_s(m, i32x4.splat(kInfinity)));
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

export function countMagnitudesU32(
  counts: usize,
  x: usize,
  base: usize,
  n: usize,
  prefix: u32,
  prefixShift: u32,
  shift: u32,
  digits: u32,
): void {
  const last = digits - 1;
  let i: usize = 0;
  for (const body = n & ~3; i < body; i += 4) {
    const m = magnitudesOf(deltas(x, base, i));
    const matches = i32x4.eq(i32x4.shr_u(m, prefixShift), i32x4.splat(prefix));
    if (!v128.any_true(matches)) continue;
    v128.store(scratch, m);
    let bits = i32x4.bitmask(matches);
    for (; bits != 0; bits &= bits - 1) {
      const p = counts + (<usize>((load<u32>(scratch + (<usize>ctz(bits) << 2)) >> shift) & last) << 2);
      store<u32>(p, load<u32>(p) + 1);
    }
  }
  for (; i < n; i++) {
    const m = magnitudeOf(delta(x, base, i));
    if (m >> prefixShift != prefix) continue;
    const p = counts + (<usize>((m >> shift) & last) << 2);
    store<u32>(p, load<u32>(p) + 1);
  }
}

function keepOne(dst: usize, quota: usize, x: usize, base: usize, i: usize, low: u32, high: u32): void {
  const d = delta(x, base, i);
  const m = magnitudeOf(d);
  let keep = m > low && m <= high;
  if (m == high && load<u32>(quota) > 0) {
    store<u32>(quota, load<u32>(quota) - 1);
    keep = false;
  } else if (m == low && load<u32>(quota, 4) > 0) {
    store<u32>(quota, load<u32>(quota, 4) - 1, 4);
    keep = true;
  }
  store<f32>(dst + (i << 2), keep ? d : 0);
}

export function keepBandF32(dst: usize, quota: usize, x: usize, base: usize, n: usize, lowBits: u32, highBits: u32): void {
  const low = i32x4.splat(lowBits);
  const high = i32x4.splat(highBits);
  let i: usize = 0;
  for (const body = n & ~3; i < body; i += 4) {
    const d = deltas(x, base, i);
    const m = magnitudesOf(d);
    if (v128.any_true(v128.or(i32x4.eq(m, low), i32x4.eq(m, high))))
      for (let lane: usize = 0; lane < 4; lane++) keepOne(dst, quota, x, base, i + lane, lowBits, highBits);
    else v128.store(dst + (i << 2), v128.and(d, v128.and(i32x4.gt_u(m, low), i32x4.lt_u(m, high))));
  }
  for (; i < n; i++) keepOne(dst, quota, x, base, i, lowBits, highBits);
}

export function dropDeltasF32(
  dst: usize,
  x: usize,
  base: usize,
  n: usize,
  probability: f64,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  const all = probability >= 1;
  const threshold: u32 = all ? 0 : <u32>(probability * 4294967296.0);
  const thresholds = i32x4.splat(threshold);
  for (let first: usize = 0; first < n; first += kPiece) {
    const count = min(n - first, kPiece);
    fillWords(first, count);
    let i: usize = 0;
    for (const body = count & ~3; i < body; i += 4) {
      const keep = all ? i32x4.splat(-1) : i32x4.lt_u(v128.load(pieceWords + (i << 2)), thresholds);
      v128.store(dst + ((first + i) << 2), v128.and(deltas(x, base, first + i), keep));
    }
    for (; i < count; i++)
      store<f32>(
        dst + ((first + i) << 2),
        all || load<u32>(pieceWords + (i << 2)) < threshold ? delta(x, base, first + i) : 0,
      );
  }
}

export function gateDeltaF32(dst: usize, x: usize, base: usize, gate: usize, n: usize): void {
  let i: usize = 0;
  for (const body = n & ~3; i < body; i += 4) {
    const open = f32x4.ne(v128.load(gate + (i << 2)), f32x4.splat(0));
    v128.store(dst + (i << 2), v128.and(deltas(x, base, i), open));
  }
  for (; i < n; i++) store<f32>(dst + (i << 2), load<f32>(gate + (i << 2)) != 0 ? delta(x, base, i) : 0);
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

/** Values of one digit of the radix sort, 11 bits: their counters take 8 KiB of the scratch. */
const kSortDigits: usize = 2048;

/** Counts of one digit of 11 bits, then where each of its values begins. */
function countDigit(keys: usize, n: usize, digitShift: u32): void {
  memory.fill(scratch, 0, kSortDigits << 2);
  for (const end = keys + (n << 2); keys < end; keys += 4) {
    const p = scratch + (<usize>((load<u32>(keys) >> digitShift) & 2047) << 2);
    store<u32>(p, load<u32>(p) + 1);
  }
  let next: u32 = 0;
  for (let p = scratch; p < scratch + (kSortDigits << 2); p += 4) {
    const count = load<u32>(p);
    store<u32>(p, next);
    next += count;
  }
}

/** Ranks of n magnitudes by a stable radix sort; `from` and `to` have room for n indices each. */
function rankMagnitudes(ranks: usize, keys: usize, from: usize, to: usize, n: usize): void {
  for (let i: usize = 0; i < n; i++) store<u32>(from + (i << 2), <u32>i);
  for (let digitShift: u32 = 0; digitShift < 33; digitShift += 11) {
    countDigit(keys, n, digitShift);
    for (let r: usize = 0; r < n; r++) {
      const at = load<u32>(from + (r << 2));
      const p = scratch + (<usize>((load<u32>(keys + (<usize>at << 2)) >> digitShift) & 2047) << 2);
      const place = load<u32>(p);
      store<u32>(p, place + 1);
      store<u32>(to + (<usize>place << 2), at);
    }
    const held = from;
    from = to;
    to = held;
  }
  for (let r: usize = 0; r < n; r++) store<u32>(ranks + (<usize>load<u32>(from + (r << 2)) << 2), <u32>r);
}

/** Whether word `word` keeps an element of that rank: word < floor((least + slope * rank) * 2^32). */
// @ts-ignore: decorator
@inline
function keepsAt(word: u32, least: f64, slope: f64, rank: u32): bool {
  return <f64>word + 1.0 <= (least + slope * <f64>rank) * 4294967296.0;
}

export function dropRankedDeltasF32(
  dst: usize,
  work: usize,
  x: usize,
  base: usize,
  n: usize,
  length: u32,
  stride: u32,
  least: f64,
  slope: f64,
  expectation: u32,
  lead: u32,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  const size = <usize>length;
  const ranks = work + (size << 2);
  const orders = ranks + (size << 2);
  const group = size * stride;
  for (let start: usize = 0; start < n; start += group)
    for (let first = start; first < start + stride; first++) {
      for (let j: usize = 0; j < size; j++)
        store<u32>(work + (j << 2), magnitudeOf(delta(x, base, first + j * stride)));
      rankMagnitudes(ranks, work, orders, orders + (size << 2), size);
      // Words of a piece of the row, or of one element where its neighbours belong to other rows.
      const piece: usize = stride == 1 ? kPiece - 4 : 1;
      for (let begin: usize = 0; begin < size; begin += piece) {
        const count = min(size - begin, piece);
        const at = <usize>lead + first + begin * stride;
        fillWords(at & ~3, count + (at & 3));
        for (let j: usize = 0; j < count; j++) {
          const word = load<u32>(pieceWords + (((at & 3) + j) << 2));
          const i = first + (begin + j) * stride;
          const rank = load<u32>(ranks + ((begin + j) << 2));
          let d: f32 = 0;
          if (keepsAt(word, least, slope, rank)) {
            d = delta(x, base, i);
            if (expectation) d = <f32>(<f64>d / (least + slope * <f64>rank));
          }
          store<f32>(dst + (i << 2), d);
        }
      }
    }
}

export function selectRankU32(found: usize, counts: usize, n: usize, rank: u32): void {
  let end = n;
  // Blocks of 256 digits that the rank lies beyond; the block that holds it is walked digit by digit.
  while (end > 256) {
    let sums = i32x4.splat(0);
    const from = counts + ((end - 256) << 2);
    for (let p = from; p < from + 1024; p += 16) sums = i32x4.add(sums, v128.load(p));
    const sum: u32 =
      i32x4.extract_lane(sums, 0) +
      i32x4.extract_lane(sums, 1) +
      i32x4.extract_lane(sums, 2) +
      i32x4.extract_lane(sums, 3);
    if (rank <= sum) break;
    rank -= sum;
    end -= 256;
  }
  let digit: usize = end == 0 ? 0 : end - 1;
  for (; digit > 0; digit--) {
    const count = load<u32>(counts + (digit << 2));
    if (rank <= count) break;
    rank -= count;
  }
  store<u32>(found, <u32>digit);
  store<u32>(found, rank, 4);
}

export function packNonZeroU8(bits: usize, x: usize, n: usize): void {
  const zero = f32x4.splat(0);
  const end = x + (n << 2);
  for (const bodyEnd = x + ((n & ~7) << 2); x < bodyEnd; x += 32, bits++) {
    const low = i32x4.bitmask(f32x4.ne(v128.load(x), zero));
    store<u8>(bits, <u8>(low | (i32x4.bitmask(f32x4.ne(v128.load(x, 16), zero)) << 4)));
  }
  if (x == end) return;
  let last: u32 = 0;
  for (let bit: u32 = 0; x < end; x += 4, bit++) last |= <u32>(load<f32>(x) != 0) << bit;
  store<u8>(bits, <u8>last);
}

export function gateBitsDeltaF32(dst: usize, x: usize, base: usize, bits: usize, n: usize): void {
  const ownBit = i32x4(1, 2, 4, 8);
  let i: usize = 0;
  for (const body = n & ~3; i < body; i += 4) {
    const four = i32x4.splat(load<u8>(bits + (i >> 3)) >> <u8>(i & 4));
    const open = i32x4.eq(v128.and(four, ownBit), ownBit);
    v128.store(dst + (i << 2), v128.and(deltas(x, base, i), open));
  }
  for (; i < n; i++)
    store<f32>(dst + (i << 2), (load<u8>(bits + (i >> 3)) >> <u8>(i & 7)) & 1 ? delta(x, base, i) : 0);
}
