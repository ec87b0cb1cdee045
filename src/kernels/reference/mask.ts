/** Differences to a base, rounded to float32, kept or dropped by a mask: drawn, or given as floats or bits. */
import { delta } from './deltas.js';
import { philox4x32 } from './philox.js';

/** dst[i] = d[i] where word i of the stream is below floor(probability * 2^32), else +0; probability 1 keeps all. */
export function dropDeltasF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  probability: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const threshold = Math.floor(probability * 0x100000000);
  let words: readonly number[] = [];
  for (let i = 0; i < dst.length; i++) {
    if ((i & 3) === 0) {
      const low = (blockLow >>> 0) + i / 4;
      const high = (blockHigh + Math.floor(low / 0x100000000)) >>> 0;
      words = philox4x32(low >>> 0, high, step, site, key0, key1);
    }
    dst[i] = words[i & 3] < threshold ? delta(x, base, i) : 0;
  }
}

/** dst[i] = fround(x[i] - base[i]) where gate[i] is not 0, else +0. */
export function gateDeltaF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  gate: Float32Array,
): void {
  for (let i = 0; i < dst.length; i++) dst[i] = gate[i] !== 0 ? x[i] - base[i] : 0;
}

/** Bit i & 7 of bits[i >> 3] is whether x[i] is not 0 (a NaN is not); the bits behind the last are 0. */
export function packNonZeroU8(bits: Uint8Array, x: Float32Array): void {
  bits.fill(0);
  for (let i = 0; i < x.length; i++) if (x[i] !== 0) bits[i >> 3] |= 1 << (i & 7);
}

/** dst[i] = fround(x[i] - base[i]) where bit i & 7 of bits[i >> 3] is set, else +0. */
export function gateBitsDeltaF32(
  dst: Float32Array,
  x: Float32Array,
  base: Float32Array,
  bits: Uint8Array,
): void {
  for (let i = 0; i < dst.length; i++) dst[i] = (bits[i >> 3] >> (i & 7)) & 1 ? x[i] - base[i] : 0;
}
