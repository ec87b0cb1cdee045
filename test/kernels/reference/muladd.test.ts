import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fusedMulAdd, plainMulAdd } from '../../../src/kernels/reference/muladd.js';

const view = new DataView(new ArrayBuffer(8));
const float32Of = (bits: number): number => {
  view.setUint32(0, bits);
  return view.getFloat32(0);
};

/** A finite float32 as an integer multiple of 2^-149. */
function toUnits(x: number): bigint {
  view.setFloat32(0, x);
  const bits = view.getUint32(0);
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = BigInt(bits & 0x7fffff);
  const magnitude = exponent === 0 ? mantissa : (mantissa | 0x800000n) << BigInt(exponent - 1);
  return bits >>> 31 ? -magnitude : magnitude;
}

/** Rounds an exact multiple of 2^-298 to float32, ties to even: integer arithmetic only. */
function roundUnits298(exact: bigint): number {
  const magnitude = exact < 0n ? -exact : exact;
  const length = magnitude.toString(2).length;
  const drop = BigInt(Math.max(149, length - 24));
  const kept = magnitude >> drop;
  const rest = magnitude - (kept << drop);
  const half = 1n << (drop - 1n);
  const rounded = rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
  // rounded * 2^(drop - 298): at most 24 bits (or 2^24), so both factors and the product are exact float64 numbers.
  let value = Number(rounded);
  for (let e = Number(drop) - 298; e < 0; e += 64)
    value *= e <= -64 ? 1 / 0x1_0000_0000 ** 2 : 1 / powerOfTwo(-e);
  for (let e = Number(drop) - 298; e > 0; e -= 64) value *= e >= 64 ? 0x1_0000_0000 ** 2 : powerOfTwo(e);
  if (value > 3.4028234663852886e38) value = Number.POSITIVE_INFINITY;
  return exact < 0n ? -value : value;
}
function powerOfTwo(e: number): number {
  let value = 1;
  for (let i = 0; i < e; i++) value *= 2;
  return value;
}

const exactFma = (acc: number, a: number, b: number) =>
  roundUnits298(toUnits(a) * toUnits(b) + (toUnits(acc) << 149n));

const anyFinite = fc
  .integer({ min: 0, max: 0xffffffff })
  .map(float32Of)
  .filter((x) => Number.isFinite(x));
/** Numbers near 1 with few low bits: their products and sums meet many ties. */
const near = fc
  .tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: -30, max: 30 }), fc.boolean())
  .map(
    ([ulps, e, minus]) =>
      (minus ? -1 : 1) * Math.fround((1 + ulps / 0x800000) * (e < 0 ? 1 / powerOfTwo(-e) : powerOfTwo(e))),
  );
/** Numbers around the square root of the smallest float32, whose products end among the subnormals. */
const small = fc
  .tuple(fc.integer({ min: 0, max: 0x7fffff }), fc.integer({ min: 40, max: 66 }), fc.boolean())
  .map(([m, e, minus]) => float32Of(((minus ? 0x80000000 : 0) | (e << 23) | m) >>> 0));
const subnormal = fc.integer({ min: 0, max: 0xffffff }).map(float32Of);

describe('fused multiply-add on float32', () => {
  it.each([
    ['any finite numbers', anyFinite, anyFinite],
    ['ties', near, near],
    ['results among the subnormals', small, subnormal],
    ['cancellation', near, anyFinite],
  ])('equals exact integer arithmetic: %s', (_name, factor, term) => {
    fc.assert(
      fc.property(term, factor, factor, (acc, a, b) => {
        const exact = exactFma(acc, a, b);
        const got = fusedMulAdd(acc, a, b);
        expect(exact === 0 ? Math.abs(got) : got).toBe(exact === 0 ? 0 : exact);
      }),
      { seed: 11, numRuns: 20_000 },
    );
  });

  it('equals exact arithmetic when the sum nearly cancels the product', () => {
    fc.assert(
      fc.property(anyFinite, near, fc.integer({ min: -3, max: 3 }), (a, b, ulps) => {
        const product = Math.fround(a * b);
        if (!Number.isFinite(product) || product === 0) return;
        view.setFloat32(0, -product);
        const acc = float32Of((view.getUint32(0) + ulps) >>> 0);
        if (!Number.isFinite(acc)) return;
        const exact = exactFma(acc, a, b);
        expect(fusedMulAdd(acc, a, b) + 0).toBe(exact + 0);
      }),
      { seed: 12, numRuns: 20_000 },
    );
  });

  it('differs from two roundings where the product has bits to lose', () => {
    const a = 1 + 1 / 4096;
    expect(fusedMulAdd(-1 - 1 / 2048, a, a)).toBe(1 / 0x1000000);
    expect(plainMulAdd(-1 - 1 / 2048, a, a)).toBe(0);
  });

  it('passes infinities and NaN on', () => {
    const big = 3.4028234663852886e38;
    expect(fusedMulAdd(0, big, 2)).toBe(Number.POSITIVE_INFINITY);
    expect(fusedMulAdd(-big, big, 2)).toBe(big);
    expect(fusedMulAdd(1, Number.NEGATIVE_INFINITY, 2)).toBe(Number.NEGATIVE_INFINITY);
    expect(fusedMulAdd(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1)).toBeNaN();
    expect(fusedMulAdd(0, Number.POSITIVE_INFINITY, 0)).toBeNaN();
    expect(fusedMulAdd(Number.NaN, 1, 1)).toBeNaN();
  });
});
