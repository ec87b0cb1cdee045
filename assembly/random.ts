// Addressed randomness: element i depends on the address of the stream and on i alone.
import { normalPairs, normalPairsF64 } from './normal';
import { fillWords, fillWordVectors, interleave, kPiece, openStream, philoxWord0, pieceWords } from './philox';
import { scratch } from './scratch';

export function randomBitsU32(
  out: usize,
  n: usize,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  for (let first: usize = 0; first < n; first += kPiece) {
    const count = min(n - first, kPiece);
    fillWords(first, count);
    memory.copy(out + (first << 2), pieceWords, count << 2);
  }
}

export function uniformF32(
  out: usize,
  n: usize,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  const unit = f32x4.splat(1.0 / 16777216.0);
  for (let first: usize = 0; first < n; first += kPiece) {
    const count = min(n - first, kPiece);
    fillWords(first, count);
    const body = count & ~3;
    let p = pieceWords;
    for (const end = pieceWords + (body << 2); p < end; p += 16, out += 16)
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(v128.load(p), 8)), unit));
    for (const end = pieceWords + (count << 2); p < end; p += 4, out += 4)
      store<f32>(out, <f32>(load<u32>(p) >> 8) * <f32>(1.0 / 16777216.0));
  }
}

/** Normals of elements [first, first + count) to `pieceWords`. */
function fillNormals(first: usize, count: usize, stddev: f32): void {
  const groups = (count + 15) >> 4;
  fillWordVectors(pieceWords, <u64>first >> 2, groups);
  const s = f32x4.splat(stddev);
  for (let p = pieceWords, end = pieceWords + (groups << 6); p < end; p += 32) normalPairs(p, s);
  interleave(pieceWords, groups);
}

export function normalF32(
  out: usize,
  n: usize,
  stddev: f32,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  for (let first: usize = 0; first < n; first += kPiece) {
    const count = min(n - first, kPiece);
    fillNormals(first, count, stddev);
    memory.copy(out + (first << 2), pieceWords, count << 2);
  }
}

export function addNormalF32(
  x: usize,
  n: usize,
  stddev: f32,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  for (let first: usize = 0; first < n; first += kPiece) {
    const count = min(n - first, kPiece);
    fillNormals(first, count, stddev);
    let p = pieceWords;
    for (const end = pieceWords + ((count & ~3) << 2); p < end; p += 16, x += 16)
      v128.store(x, f32x4.add(v128.load(x), v128.load(p)));
    for (const end = pieceWords + (count << 2); p < end; p += 4, x += 4)
      store<f32>(x, load<f32>(x) + load<f32>(p));
  }
}

export function normalF64(
  out: usize,
  n: usize,
  stddev: f64,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  const s = f64x2.splat(stddev);
  // A piece of words is 128 groups of 64 bytes at most 512 words; each group of four blocks gives eight normals.
  const kNormals: usize = kPiece >> 1;
  for (let first: usize = 0; first < n; first += kNormals) {
    const count = min(n - first, kNormals);
    const groups = (count + 7) >> 3;
    fillWordVectors(pieceWords, <u64>first >> 1, groups);
    let to = scratch;
    for (let p = pieceWords, end = pieceWords + (groups << 6); p < end; p += 64, to += 64) {
      const w0 = v128.load(p);
      const w1 = v128.load(p, 16);
      const w2 = v128.load(p, 32);
      const w3 = v128.load(p, 48);
      normalPairsF64(
        to,
        i64x2.extend_low_i32x4_u(w0),
        i64x2.extend_low_i32x4_u(w1),
        i64x2.extend_low_i32x4_u(w2),
        i64x2.extend_low_i32x4_u(w3),
        s,
      );
      normalPairsF64(
        to + 32,
        i64x2.extend_high_i32x4_u(w0),
        i64x2.extend_high_i32x4_u(w1),
        i64x2.extend_high_i32x4_u(w2),
        i64x2.extend_high_i32x4_u(w3),
        s,
      );
    }
    memory.copy(out + (first << 3), scratch, count << 3);
  }
}

export function bernoulliU8(
  out: usize,
  n: usize,
  probability: f64,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  if (!(probability > 0) || probability >= 1) {
    memory.fill(out, probability >= 1 ? 1 : 0, n);
    return;
  }
  const threshold = <u32>(probability * 4294967296.0);
  const limit = i32x4.splat(threshold);
  const one = i8x16.splat(1);
  openStream(key0, key1, blockLow, blockHigh, step, site);
  for (let first: usize = 0; first < n; first += kPiece) {
    const count = min(n - first, kPiece);
    fillWords(first, count);
    let p = pieceWords;
    for (const end = pieceWords + ((count & ~15) << 2); p < end; p += 64, out += 16) {
      const low = i16x8.narrow_i32x4_s(
        i32x4.lt_u(v128.load(p), limit),
        i32x4.lt_u(v128.load(p, 16), limit),
      );
      const high = i16x8.narrow_i32x4_s(
        i32x4.lt_u(v128.load(p, 32), limit),
        i32x4.lt_u(v128.load(p, 48), limit),
      );
      v128.store(out, v128.and(i8x16.narrow_i16x8_s(low, high), one));
    }
    for (const end = pieceWords + (count << 2); p < end; p += 4, out++)
      store<u8>(out, load<u32>(p) < threshold ? 1 : 0);
  }
}

// Fisher-Yates from the last index down with Lemire's bounded integers: see src/kernels/reference/permutation.ts.
export function permutationU32(out: usize, n: usize, key0: u32, key1: u32, step: u32, site: u32): void {
  openStream(key0, key1, 0, 0, step, site);
  for (let i: usize = 0; i < n; i++) store<u32>(out + (i << 2), <u32>i);
  for (let i = <u32>n - 1; <i32>i > 0; i--) {
    const bound = i + 1;
    let product = <u64>philoxWord0(0, i) * bound;
    if (<u32>product < bound) {
      const threshold: u32 = (0 - bound) % bound;
      for (let attempt: u32 = 1; <u32>product < threshold; attempt++)
        product = <u64>philoxWord0(attempt, i) * bound;
    }
    const target = out + (<usize>(product >> 32) << 2);
    const own = out + (<usize>i << 2);
    const held = load<u32>(own);
    store<u32>(own, load<u32>(target));
    store<u32>(target, held);
  }
}
