/** Number formats: float16, bfloat16 and block-wise int8, with nearest and stochastic rounding, and the 8-bit floats. */
import { type StreamAddress, wordsOf } from './stream.js';

const f32 = Math.fround;
const bits = new Uint32Array(1);
const asFloat = new Float32Array(bits.buffer);

function bitsOf(value: number): number {
  asFloat[0] = value;
  return bits[0];
}

function floatOf(pattern: number): number {
  bits[0] = pattern;
  return asFloat[0];
}

/** Nearest integer, ties to even, for |v| < 2^22. */
function roundHalfEven(v: number): number {
  return f32(f32(v + 12582912) - 12582912);
}

/** Code of the greatest binary16 not above a finite magnitude; 65504 is the greatest there is. */
function f16Below(magnitude: number): number {
  if (magnitude < 2 ** -14) return Math.floor(magnitude * 2 ** 24);
  return Math.min((bitsOf(magnitude) >>> 13) - (112 << 10), 0x7bff);
}

/** Value of a finite, positive binary16 code; 0x7c00 reads as 65536, the next step above 65504. */
function f16Value(code: number): number {
  const exponent = code >>> 10;
  const fraction = code & 0x3ff;
  return exponent === 0 ? fraction * 2 ** -24 : floatOf(((exponent + 112) << 23) | (fraction << 13));
}

/** The bit patterns of x, read in place: a NaN keeps its sign. */
function patternsOf(x: Float32Array): Uint32Array {
  return new Uint32Array(x.buffer, x.byteOffset, x.length);
}

/**
 * IEEE 754 binary16, nearest even: |x| >= 65520 becomes infinity, subnormals are kept, a NaN becomes sign | 0x7E00.
 */
export function encodeF16(codes: Uint16Array, x: Float32Array): void {
  const patterns = patternsOf(x);
  for (let i = 0; i < x.length; i++) {
    const sign = (patterns[i] >>> 16) & 0x8000;
    const magnitude = Math.abs(x[i]);
    if (Number.isNaN(magnitude)) codes[i] = sign | 0x7e00;
    else if (magnitude === Number.POSITIVE_INFINITY) codes[i] = sign | 0x7c00;
    else {
      const code = f16Below(magnitude);
      const middle = (f16Value(code) + f16Value(code + 1)) / 2;
      const up = magnitude > middle || (magnitude === middle && code % 2 === 1);
      codes[i] = sign | (up ? code + 1 : code);
    }
  }
}

/** x[i] = value of the binary16 code; a NaN keeps sign and payload. */
export function decodeF16(x: Float32Array, codes: Uint16Array): void {
  const out = patternsOf(x);
  for (let i = 0; i < x.length; i++) {
    const sign = (codes[i] & 0x8000) << 16;
    const code = codes[i] & 0x7fff;
    if (code >= 0x7c00) out[i] = sign | 0x7f800000 | ((code & 0x3ff) << 13);
    else out[i] = sign | bitsOf(f16Value(code));
  }
}

/**
 * bfloat16, the top half of float32, nearest even: bits + 0x7FFF + the lowest bit kept, then >>> 16. A NaN keeps sign and
 * the top of its payload and is made quiet.
 */
export function encodeBf16(codes: Uint16Array, x: Float32Array): void {
  const patterns = patternsOf(x);
  for (let i = 0; i < x.length; i++) {
    const u = patterns[i];
    const nan = (u & 0x7fffffff) > 0x7f800000;
    codes[i] = nan ? (u >>> 16) | 0x40 : (u + 0x7fff + ((u >>> 16) & 1)) >>> 16;
  }
}

/** x[i] = the float32 whose top half is the code. */
export function decodeBf16(x: Float32Array, codes: Uint16Array): void {
  const out = patternsOf(x);
  for (let i = 0; i < x.length; i++) out[i] = codes[i] << 16;
}

/**
 * binary16 with stochastic rounding of the magnitude: with |x| between neighbouring codes of values lower and upper, up if
 * u < (|x| - lower) / (upper - lower), u the 24-bit uniform of the element; so the expectation is x. A finite value
 * above 65504 becomes 65504, an infinity stays, a NaN becomes sign | 0x7E00.
 */
export function encodeF16Stochastic(
  codes: Uint16Array,
  x: Float32Array,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const patterns = patternsOf(x);
  let i = 0;
  for (const u of uniforms(x.length, { key0, key1, blockLow, blockHigh, step, site })) {
    const sign = (patterns[i] >>> 16) & 0x8000;
    const magnitude = Math.abs(x[i]);
    if (Number.isNaN(magnitude)) codes[i] = sign | 0x7e00;
    else if (magnitude === Number.POSITIVE_INFINITY) codes[i] = sign | 0x7c00;
    else if (magnitude >= 65504) codes[i] = sign | 0x7bff;
    else {
      const code = f16Below(magnitude);
      const lower = f16Value(code);
      const up = u < (magnitude - lower) / (f16Value(code + 1) - lower);
      codes[i] = sign | (up ? code + 1 : code);
    }
    i++;
  }
}

/**
 * bfloat16 with stochastic rounding of the magnitude: up if u < (low half of the bits) 2^-16, u the 24-bit uniform of the
 * element. A finite value never becomes infinite: the greatest code is 0x7F7F. A NaN as in `encodeBf16`.
 */
export function encodeBf16Stochastic(
  codes: Uint16Array,
  x: Float32Array,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const patterns = patternsOf(x);
  let i = 0;
  for (const u of uniforms(x.length, { key0, key1, blockLow, blockHigh, step, site })) {
    const magnitude = patterns[i] & 0x7fffffff;
    const sign = (patterns[i] >>> 16) & 0x8000;
    const code = magnitude >>> 16;
    if (magnitude > 0x7f800000) codes[i] = sign | code | 0x40;
    else {
      const up = u < (magnitude & 0xffff) * 2 ** -16 && code < 0x7f7f;
      codes[i] = sign | (up ? code + 1 : code);
    }
    i++;
  }
}

/** 24-bit uniform of elements 0 to n-1 of a stream. */
function* uniforms(n: number, address: StreamAddress): Generator<number> {
  for (const word of wordsOf(address, n)) yield (word >>> 8) * 2 ** -24;
}

/** Scale of each block, fround(absmax / 127); -1, or the index of the first element that is not finite. */
function blockScales(scales: Float32Array, x: Float32Array, block: number): number {
  const bad = x.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) return bad;
  for (let b = 0; b < scales.length; b++) {
    const largest = x
      .subarray(b * block, (b + 1) * block)
      .reduce((m, value) => Math.max(m, Math.abs(value)), 0);
    scales[b] = largest / 127;
  }
  return -1;
}

function clip127(q: number): number {
  return Math.min(127, Math.max(-127, q));
}

/**
 * Symmetric int8 by blocks: s = fround(absmax / 127), q = clip(roundHalfEven(fround(x / s)), -127, 127). A block whose
 * s is 0 gets zeros. |q s - x| <= s/2 (1 + 2^-22) while s is a normal float32.
 *
 * @returns -1, or the index of the first element that is not finite; codes and scales then mean nothing.
 */
export function quantizeInt8(codes: Int8Array, scales: Float32Array, x: Float32Array, block: number): number {
  const bad = blockScales(scales, x, block);
  if (bad >= 0) return bad;
  for (let i = 0; i < x.length; i++) {
    const scale = scales[Math.floor(i / block)];
    codes[i] = scale === 0 ? 0 : clip127(roundHalfEven(f32(x[i] / scale)));
  }
  return -1;
}

/**
 * Symmetric int8 by blocks with stochastic rounding (Alistarh et al. 2017, "QSGD", section 3.1, on a uniform grid):
 * v = fround(x / s), q = clip(floor(v) + [u < fround(v - floor(v))], -127, 127), u the 24-bit uniform of the element.
 *
 * @returns as `quantizeInt8`.
 */
export function quantizeInt8Stochastic(
  codes: Int8Array,
  scales: Float32Array,
  x: Float32Array,
  block: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): number {
  const bad = blockScales(scales, x, block);
  if (bad >= 0) return bad;
  let i = 0;
  for (const u of uniforms(x.length, { key0, key1, blockLow, blockHigh, step, site })) {
    const scale = scales[Math.floor(i / block)];
    const v = scale === 0 ? 0 : f32(x[i] / scale);
    const lower = Math.floor(v);
    codes[i] = clip127(u < f32(v - lower) ? lower + 1 : lower);
    i++;
  }
  return -1;
}

/** x[i] = fround(codes[i] * scale of its block). */
export function dequantizeInt8(x: Float32Array, codes: Int8Array, scales: Float32Array, block: number): void {
  for (let i = 0; i < x.length; i++) x[i] = f32(codes[i] * scales[Math.floor(i / block)]);
}

/** acc[i] = acc[i] + weight * fround(codes[i] * scale of its block): `dequantizeInt8`, then `accumulateF64`, in one pass. */
export function dequantizeAccumulateInt8(
  acc: Float64Array,
  codes: Int8Array,
  scales: Float32Array,
  block: number,
  weight: number,
): void {
  for (let i = 0; i < acc.length; i++) acc[i] += weight * f32(codes[i] * scales[Math.floor(i / block)]);
}

/** An 8-bit float of the OCP formats: values of the positive codes below `end`, and what stands from there on. */
interface Float8 {
  /** Value of code i; the last is the step above the greatest finite value, which only rounding looks at. */
  readonly values: readonly number[];
  /** Code of everything that rounds above the greatest finite value. */
  readonly overflow: number;
  readonly infinity?: number;
  readonly nan: number;
}

function float8(exponentBits: number, bias: number, end: number, specials: Omit<Float8, 'values'>): Float8 {
  const steps = 2 ** (7 - exponentBits);
  const values = Array.from({ length: end + 1 }, (_, code) => {
    const exponent = Math.floor(code / steps);
    const fraction = (code % steps) / steps;
    return exponent === 0 ? 2 ** (1 - bias) * fraction : 2 ** (exponent - bias) * (1 + fraction);
  });
  return { values, ...specials };
}

const e4m3 = float8(4, 7, 0x7f, { overflow: 0x7f, nan: 0x7f });
const e5m2 = float8(5, 15, 0x7c, { overflow: 0x7c, infinity: 0x7c, nan: 0x7e });

function encodeF8(codes: Uint8Array, x: Float32Array, { values, overflow, nan }: Float8): void {
  const patterns = patternsOf(x);
  for (let i = 0; i < x.length; i++) {
    const magnitude = Math.abs(x[i]);
    let code = nan;
    if (magnitude >= values[values.length - 1]) code = overflow;
    else if (!Number.isNaN(magnitude)) {
      const above = values.findIndex((value) => value > magnitude);
      const middle = (values[above - 1] + values[above]) / 2;
      code = magnitude > middle || (magnitude === middle && above % 2 === 0) ? above : above - 1;
    }
    codes[i] = ((patterns[i] >>> 24) & 0x80) | code;
  }
}

function decodeF8(x: Float32Array, codes: Uint8Array, { values, infinity }: Float8): void {
  const out = patternsOf(x);
  for (let i = 0; i < x.length; i++) {
    const code = codes[i] & 0x7f;
    const finite = code < values.length - 1;
    const magnitude = finite ? bitsOf(values[code]) : code === infinity ? 0x7f800000 : 0x7fc00000;
    out[i] = ((codes[i] & 0x80) << 24) | magnitude;
  }
}

/**
 * OCP E4M3 (bias 7, no infinity, greatest 448), nearest even: subnormals are kept; above 464, the middle of 448 and what would be the next
 * step, and for a NaN, the code is sign | 0x7F, which is NaN.
 */
export function encodeF8E4m3(codes: Uint8Array, x: Float32Array): void {
  encodeF8(codes, x, e4m3);
}

/** x[i] = value of the E4M3 code; a NaN keeps its sign and is quiet. */
export function decodeF8E4m3(x: Float32Array, codes: Uint8Array): void {
  decodeF8(x, codes, e4m3);
}

/** OCP E5M2 (bias 15, greatest 57344), nearest even: |x| >= 61440 becomes infinity, subnormals are kept, a NaN becomes sign | 0x7E. */
export function encodeF8E5m2(codes: Uint8Array, x: Float32Array): void {
  encodeF8(codes, x, e5m2);
}

/** x[i] = value of the E5M2 code; a NaN keeps its sign and is quiet. */
export function decodeF8E5m2(x: Float32Array, codes: Uint8Array): void {
  decodeF8(x, codes, e5m2);
}
