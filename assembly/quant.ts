// Number formats: float16, bfloat16, block-wise int8 and 8-bit floats. Bit manipulations as in native/kernels/quant.cpp.
import { fillWords, kPiece, openStream, pieceWords } from './philox';

const kInfinity: i32 = 0x7f800000;
const kSmallestNormal: i32 = 0x38800000;
const kRebias: i32 = 112 << 23;

/** binary16 codes of four float32, nearest even, in 32-bit lanes. */
// @ts-ignore: decorator
@inline
function halves(v: v128): v128 {
  const m = v128.and(v, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(m, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(m, odd), i32x4.splat(0xfff - kRebias)), 13);
  const subnormal = i32x4.sub(f32x4.add(m, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const code = v128.bitselect(subnormal, normal, i32x4.lt_s(m, i32x4.splat(kSmallestNormal)));
  const nan = v128.and(i32x4.gt_s(m, i32x4.splat(kInfinity)), i32x4.splat(0x200));
  const special = v128.or(nan, i32x4.splat(0x7c00));
  const finite = v128.bitselect(special, code, i32x4.ge_s(m, i32x4.splat(0x477ff000)));
  return v128.or(finite, v128.and(i32x4.shr_u(v, 16), i32x4.splat(0x8000)));
}

/** Values of four binary16 codes in 32-bit lanes. */
// @ts-ignore: decorator
@inline
export function halfValues(codes: v128): v128 {
  const m = v128.and(codes, i32x4.splat(0x7fff));
  const wide = i32x4.shl(m, 13);
  const subnormal = f32x4.mul(f32x4.convert_i32x4_s(m), f32x4.splat(1.0 / 16777216.0));
  const normal = i32x4.add(wide, i32x4.splat(kRebias));
  const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(m, i32x4.splat(0x400)));
  const special = v128.or(wide, i32x4.splat(kInfinity));
  const value = v128.bitselect(special, finite, i32x4.ge_s(m, i32x4.splat(0x7c00)));
  return v128.or(value, i32x4.shl(v128.and(codes, i32x4.splat(0x8000)), 16));
}

/** bfloat16 codes of four float32, nearest even. */
// @ts-ignore: decorator
@inline
function brains(u: v128): v128 {
  const top = i32x4.shr_u(u, 16);
  const odd = v128.and(top, i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(u, odd), i32x4.splat(0x7fff)), 16);
  const nan = i32x4.gt_s(v128.and(u, i32x4.splat(0x7fffffff)), i32x4.splat(kInfinity));
  return v128.bitselect(v128.or(top, i32x4.splat(0x40)), rounded, nan);
}

export function encodeF16(codes: usize, x: usize, n: usize): void {
  const bodyEnd = x + ((n & ~7) << 2);
  for (; x < bodyEnd; x += 32, codes += 16)
    v128.store(codes, i16x8.narrow_i32x4_u(halves(v128.load(x)), halves(v128.load(x, 16))));
  for (let rest = n & 7; rest > 0; rest--, x += 4, codes += 2)
    store<u16>(codes, <u16>i32x4.extract_lane(halves(v128.load32_zero(x)), 0));
}

export function decodeF16(x: usize, codes: usize, n: usize): void {
  const bodyEnd = x + ((n & ~7) << 2);
  for (; x < bodyEnd; x += 32, codes += 16) {
    const eight = v128.load(codes);
    v128.store(x, halfValues(i32x4.extend_low_i16x8_u(eight)));
    v128.store(x, halfValues(i32x4.extend_high_i16x8_u(eight)), 16);
  }
  for (let rest = n & 7; rest > 0; rest--, x += 4, codes += 2)
    store<f32>(x, f32x4.extract_lane(halfValues(i32x4.splat(load<u16>(codes))), 0));
}

export function encodeBf16(codes: usize, x: usize, n: usize): void {
  const bodyEnd = x + ((n & ~7) << 2);
  for (; x < bodyEnd; x += 32, codes += 16)
    v128.store(codes, i16x8.narrow_i32x4_u(brains(v128.load(x)), brains(v128.load(x, 16))));
  for (let rest = n & 7; rest > 0; rest--, x += 4, codes += 2)
    store<u16>(codes, <u16>i32x4.extract_lane(brains(v128.load32_zero(x)), 0));
}

export function decodeBf16(x: usize, codes: usize, n: usize): void {
  const bodyEnd = x + ((n & ~7) << 2);
  const zero = i16x8.splat(0);
  for (; x < bodyEnd; x += 32, codes += 16) {
    const eight = v128.load(codes);
    v128.store(x, v128.shuffle<i16>(zero, eight, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(x, v128.shuffle<i16>(zero, eight, 4, 12, 5, 13, 6, 14, 7, 15), 16);
  }
  for (let rest = n & 7; rest > 0; rest--, x += 4, codes += 2)
    store<u32>(x, (<u32>load<u16>(codes)) << 16);
}

/** binary16 with the magnitude rounded up if the 24-bit uniform is below the fraction dropped. */
// @ts-ignore: decorator
@inline
function halfStochastic(bits: u32, word: u32): u32 {
  const m = bits & 0x7fffffff;
  const u = word >> 8;
  const sign = (bits >> 16) & 0x8000;
  if (m > <u32>kInfinity) return sign | 0x7e00;
  if (m == <u32>kInfinity) return sign | 0x7c00;
  if (m >= 0x477fe000) return sign | 0x7bff;
  if (m >= <u32>kSmallestNormal) return sign | (((m - kRebias) >> 13) + u32(u < (m & 0x1fff) << 11));
  const steps = reinterpret<f32>(m) * <f32>16777216.0;
  const below = <u32>steps;
  const fraction = (steps - <f32>below) * <f32>16777216.0;
  return sign | (below + u32(<f32>u < fraction));
}

export function encodeF16Stochastic(
  codes: usize,
  x: usize,
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
    for (let i: usize = 0; i < count; i++) {
      const at = first + i;
      const code = halfStochastic(load<u32>(x + (at << 2)), load<u32>(pieceWords + (i << 2)));
      store<u16>(codes + (at << 1), <u16>code);
    }
  }
}

export function encodeBf16Stochastic(
  codes: usize,
  x: usize,
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
    for (let i: usize = 0; i < count; i++) {
      const at = first + i;
      const bits = load<u32>(x + (at << 2));
      const m = bits & 0x7fffffff;
      const top = m >> 16;
      const up = u32(load<u32>(pieceWords + (i << 2)) >> 8 < (m & 0xffff) << 8 && top < 0x7f7f);
      const code = m > <u32>kInfinity ? top | 0x40 : top + up;
      store<u16>(codes + (at << 1), <u16>(((bits >> 16) & 0x8000) | code));
    }
  }
}

/** Largest |x[i]| by bits, so that an infinity or a NaN wins over every finite value. */
function largestMagnitude(x: usize, n: usize): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let m = i32x4.splat(0);
  const end = x + (n << 2);
  for (const bodyEnd = x + ((n & ~3) << 2); x < bodyEnd; x += 16)
    m = i32x4.max_s(m, v128.and(v128.load(x), magnitude));
  let largest = max(
    max(i32x4.extract_lane(m, 0), i32x4.extract_lane(m, 1)),
    max(i32x4.extract_lane(m, 2), i32x4.extract_lane(m, 3)),
  );
  for (; x < end; x += 4) largest = max(largest, load<i32>(x) & 0x7fffffff);
  return largest;
}

/** Index of the first element that is not finite; there is one. */
function firstNonFinite(x: usize): usize {
  let p = x;
  while ((load<i32>(p) & 0x7fffffff) < kInfinity) p += 4;
  return (p - x) >> 2;
}

/** roundHalfEven of four values clipped to [-127, 127], as integers: what stands below 1.5 * 2^23 after adding it. */
// @ts-ignore: decorator
@inline
function nearestCodes(v: v128): v128 {
  const high = f32x4.splat(127);
  const low = f32x4.splat(-127);
  const clipped = f32x4.pmax(low, f32x4.pmin(high, v));
  return i32x4.sub(f32x4.add(clipped, f32x4.splat(12582912)), i32x4.splat(0x4b400000));
}

/** floor(v) + [u < v - floor(v)] of four values, clipped to [-127, 127], as integers. */
// @ts-ignore: decorator
@inline
function stochasticCodes(v: v128, words: v128): v128 {
  const lower = f32x4.floor(v);
  const u = f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(words, 8)), f32x4.splat(1.0 / 16777216.0));
  const up = v128.and(f32x4.lt(u, f32x4.sub(v, lower)), f32x4.splat(1));
  return nearestCodes(f32x4.add(lower, up));
}

// @ts-ignore: decorator
@inline
function packCodes(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** Scale of the block at x, stored to `scales`; -1 if an element is not finite. */
// @ts-ignore: decorator
@inline
function blockScale(x: usize, count: usize): f32 {
  const largest = largestMagnitude(x, count);
  return largest >= <u32>kInfinity ? -1 : reinterpret<f32>(largest) / 127;
}

export function quantizeInt8(codes: usize, scales: usize, x: usize, n: usize, block: u32): i32 {
  for (let first: usize = 0; first < n; first += block, scales += 4) {
    const count = min(n - first, <usize>block);
    const scale = blockScale(x, count);
    if (scale < 0) return <i32>(first + firstNonFinite(x));
    store<f32>(scales, scale);
    if (scale == 0) {
      memory.fill(codes, 0, count);
      codes += count;
      x += count << 2;
      continue;
    }
    const s = f32x4.splat(scale);
    for (const bodyEnd = codes + (count & ~15); codes < bodyEnd; codes += 16, x += 64)
      v128.store(
        codes,
        packCodes(
          nearestCodes(f32x4.div(v128.load(x), s)),
          nearestCodes(f32x4.div(v128.load(x, 16), s)),
          nearestCodes(f32x4.div(v128.load(x, 32), s)),
          nearestCodes(f32x4.div(v128.load(x, 48), s)),
        ),
      );
    for (let rest = count & 15; rest > 0; rest--, codes++, x += 4)
      store<i8>(codes, <i8>i32x4.extract_lane(nearestCodes(f32x4.div(v128.load32_zero(x), s)), 0));
  }
  return -1;
}

export function quantizeInt8Stochastic(
  codes: usize,
  scales: usize,
  x: usize,
  n: usize,
  block: u32,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): i32 {
  openStream(key0, key1, blockLow, blockHigh, step, site);
  for (let first: usize = 0; first < n; first += block, scales += 4) {
    const count = min(n - first, <usize>block);
    const from = x + (first << 2);
    const scale = blockScale(from, count);
    if (scale < 0) return <i32>(first + firstNonFinite(from));
    store<f32>(scales, scale);
    if (scale == 0) {
      memory.fill(codes + first, 0, count);
      continue;
    }
    const s = f32x4.splat(scale);
    // A piece starts at a multiple of 4 elements of the stream, at or below the element wanted.
    for (let i = first, end = first + count; i < end; ) {
      const skip = i & 3;
      const size = min(end - i, kPiece - skip);
      fillWords(i - skip, skip + size);
      let words = pieceWords + (skip << 2);
      let p = x + (i << 2);
      let out = codes + i;
      for (const bodyEnd = out + (size & ~3); out < bodyEnd; out += 4, p += 16, words += 16) {
        const q = stochasticCodes(f32x4.div(v128.load(p), s), v128.load(words));
        v128.store32_lane(out, packCodes(q, q, q, q), 0);
      }
      for (let rest = size & 3; rest > 0; rest--, out++, p += 4, words += 4) {
        const q = stochasticCodes(f32x4.div(v128.load32_zero(p), s), v128.load32_zero(words));
        store<i8>(out, <i8>i32x4.extract_lane(q, 0));
      }
      i += size;
    }
  }
  return -1;
}

export function dequantizeInt8(x: usize, codes: usize, scales: usize, n: usize, block: u32): void {
  for (let first: usize = 0; first < n; first += block, scales += 4) {
    const count = min(n - first, <usize>block);
    const scale = load<f32>(scales);
    const s = f32x4.splat(scale);
    for (const bodyEnd = codes + (count & ~7); codes < bodyEnd; codes += 8, x += 32) {
      const eight = v128.load8x8_s(codes);
      v128.store(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(eight)), s));
      v128.store(x, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(eight)), s), 16);
    }
    for (let rest = count & 7; rest > 0; rest--, codes++, x += 4) store<f32>(x, <f32>load<i8>(codes) * scale);
  }
}

export function dequantizeAccumulateInt8(
  acc: usize,
  codes: usize,
  scales: usize,
  n: usize,
  block: u32,
  weight: f64,
): void {
  const w = f64x2.splat(weight);
  for (let first: usize = 0; first < n; first += block, scales += 4) {
    const count = min(n - first, <usize>block);
    const scale = load<f32>(scales);
    const s = f32x4.splat(scale);
    for (const bodyEnd = codes + (count & ~3); codes < bodyEnd; codes += 4, acc += 32) {
      const four = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(codes)));
      const value = f32x4.mul(f32x4.convert_i32x4_s(four), s);
      const low = f64x2.mul(w, f64x2.promote_low_f32x4(value));
      const high = f64x2.mul(w, f64x2.promote_low_f32x4(v128.shuffle<i64>(value, value, 1, 1)));
      v128.store(acc, f64x2.add(v128.load(acc), low));
      v128.store(acc, f64x2.add(v128.load(acc, 16), high), 16);
    }
    for (let rest = count & 3; rest > 0; rest--, codes++, acc += 8)
      store<f64>(acc, load<f64>(acc) + weight * <f64>(<f32>load<i8>(codes) * scale));
  }
}

/** Codes of four float32 in an 8-bit float of `fractionBits`, nearest even, in 32-bit lanes; see native/kernels/quant.cpp. */
// @ts-ignore: decorator
@inline
function eighths(
  v: v128,
  drop: i32,
  smallestNormal: i32,
  overflow: i32,
  rebias: i32,
  subnormalStep: f32,
  overflowCode: i32,
  nanCode: i32,
): v128 {
  const m = v128.and(v, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(m, drop), i32x4.splat(1));
  const half = (1 << (drop - 1)) - 1;
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(m, odd), i32x4.splat(half - rebias)), drop);
  const step = f32x4.splat(subnormalStep);
  const subnormal = i32x4.sub(f32x4.add(m, step), step);
  const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(m, i32x4.splat(smallestNormal)));
  const large = v128.bitselect(i32x4.splat(overflowCode), finite, i32x4.ge_s(m, i32x4.splat(overflow)));
  const code = v128.bitselect(i32x4.splat(nanCode), large, i32x4.gt_s(m, i32x4.splat(kInfinity)));
  return v128.or(code, v128.and(i32x4.shr_u(v, 24), i32x4.splat(0x80)));
}

/** Values of four codes in 32-bit lanes: their bits at float32's place, multiplied, which also makes subnormals right. */
// @ts-ignore: decorator
@inline
function eighthValues(codes: v128, shift: i32, scale: f32, overflowCode: i32, infinity: i32): v128 {
  const m = v128.and(codes, i32x4.splat(0x7f));
  const finite = f32x4.mul(i32x4.shl(m, shift), f32x4.splat(scale));
  const special = v128.bitselect(
    i32x4.splat(infinity),
    i32x4.splat(0x7fc00000),
    i32x4.eq(m, i32x4.splat(overflowCode)),
  );
  const value = v128.bitselect(special, finite, i32x4.ge_s(m, i32x4.splat(overflowCode)));
  return v128.or(value, i32x4.shl(v128.and(codes, i32x4.splat(0x80)), 24));
}

// @ts-ignore: decorator
@inline
function e4m3(v: v128): v128 {
  return eighths(v, 20, 0x3c800000, 0x43e80001, 120 << 23, 16384.0, 0x7f, 0x7f);
}

// @ts-ignore: decorator
@inline
function e5m2(v: v128): v128 {
  return eighths(v, 21, 0x38800000, 0x47700000, 112 << 23, 128.0, 0x7c, 0x7e);
}

// @ts-ignore: decorator
@inline
function e4m3Values(codes: v128): v128 {
  return eighthValues(codes, 20, reinterpret<f32>(247 << 23), 0x7f, 0x7fc00000);
}

// @ts-ignore: decorator
@inline
function e5m2Values(codes: v128): v128 {
  return eighthValues(codes, 21, reinterpret<f32>(239 << 23), 0x7c, kInfinity);
}

/** The low bytes of four lanes at `codes`. */
// @ts-ignore: decorator
@inline
function storeBytes(codes: usize, lanes: v128): void {
  const sixteen = i16x8.narrow_i32x4_u(lanes, lanes);
  v128.store_lane<i32>(codes, i8x16.narrow_i16x8_u(sixteen, sixteen), 0);
}

/** Four bytes from `codes` on in 32-bit lanes. */
// @ts-ignore: decorator
@inline
function loadBytes(codes: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(codes)));
}

export function encodeF8E4m3(codes: usize, x: usize, n: usize): void {
  const bodyEnd = codes + (n & ~3);
  for (; codes < bodyEnd; codes += 4, x += 16) storeBytes(codes, e4m3(v128.load(x)));
  for (let rest = n & 3; rest > 0; rest--, codes++, x += 4)
    store<u8>(codes, <u8>i32x4.extract_lane(e4m3(v128.load32_zero(x)), 0));
}

export function decodeF8E4m3(x: usize, codes: usize, n: usize): void {
  const bodyEnd = codes + (n & ~3);
  for (; codes < bodyEnd; codes += 4, x += 16) v128.store(x, e4m3Values(loadBytes(codes)));
  for (let rest = n & 3; rest > 0; rest--, codes++, x += 4)
    store<f32>(x, f32x4.extract_lane(e4m3Values(i32x4.splat(<i32>load<u8>(codes))), 0));
}

export function encodeF8E5m2(codes: usize, x: usize, n: usize): void {
  const bodyEnd = codes + (n & ~3);
  for (; codes < bodyEnd; codes += 4, x += 16) storeBytes(codes, e5m2(v128.load(x)));
  for (let rest = n & 3; rest > 0; rest--, codes++, x += 4)
    store<u8>(codes, <u8>i32x4.extract_lane(e5m2(v128.load32_zero(x)), 0));
}

export function decodeF8E5m2(x: usize, codes: usize, n: usize): void {
  const bodyEnd = codes + (n & ~3);
  for (; codes < bodyEnd; codes += 4, x += 16) v128.store(x, e5m2Values(loadBytes(codes)));
  for (let rest = n & 3; rest > 0; rest--, codes++, x += 4)
    store<f32>(x, f32x4.extract_lane(e5m2Values(i32x4.splat(<i32>load<u8>(codes))), 0));
}
