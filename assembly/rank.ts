// Differences to a base kept or dropped by the rank of their magnitude.
import { delta, deltas } from './deltas';
import { fillWords, kPiece, openStream, pieceWords } from './philox';
import { scratch } from './scratch';

const kInfinity: u32 = 0x7f800000;
const kQuietNan: u32 = 0x7fc00000;

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
