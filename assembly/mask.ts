// Differences to a base kept or dropped by a mask: drawn, or given as floats or bits.
import { delta, deltas } from './deltas';
import { fillWords, kPiece, openStream, pieceWords } from './philox';

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
