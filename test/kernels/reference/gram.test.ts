import { describe, expect, it } from 'vitest';
import * as gram from '../../../src/kernels/reference/gram.js';
import * as merge from '../../../src/kernels/reference/merge.js';

// Small integers, whose products and sums are exact in any order. Codes: bfloat16 is the top half of float32, float16 has 10 bits.
const integers = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => ((i * 37 + seed * 11) % 17) - 8);
const bfloat16 = (values: readonly number[]): Uint16Array =>
  Uint16Array.from(new Uint32Array(Float32Array.from(values).buffer), (bits) => bits >>> 16);
const float16 = (values: readonly number[]): Uint16Array =>
  Uint16Array.from(values, (v) => {
    if (v === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(v)));
    return (
      (v < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.round((Math.abs(v) / 2 ** exponent - 1) * 1024)
    );
  });
const dot = (u: readonly number[], v: readonly number[]): number =>
  u.reduce((sum, x, i) => sum + x * v[i], 0);

describe('inner products of differences', () => {
  const n = 70_001;
  const base = integers(n, 0);
  const models = [1, 2, 3].map((seed) => integers(n, seed));
  const differences = models.map((model) => model.map((x, i) => x - base[i]));
  const upper = (of: readonly (readonly number[])[]): number[] =>
    of.flatMap((u, i) => of.map((v, j) => (j < i ? 0 : dot(u, v))));

  it('are those of the definition, on and above the diagonal', () => {
    const products = new Float64Array(9);
    const square = new Float64Array(1);
    gram.addDeltaGramF32(
      products,
      square,
      models.map((v) => Float32Array.from(v)),
      Float32Array.from(base),
    );
    expect([...products]).toEqual(upper(differences));
    expect(square[0]).toBe(dot(base, base));
  });

  it('go on from what stands there, and leave the square of a base that is not there alone', () => {
    const products = new Float64Array(9).fill(5);
    const square = Float64Array.of(7);
    gram.addDeltaGramF32(
      products,
      square,
      models.map((v) => Float32Array.from(v)),
      new Float32Array(0),
    );
    expect([...products]).toEqual(upper(models).map((x) => x + 5));
    expect(square[0]).toBe(7);
  });

  it.each([
    ['bfloat16', 0, bfloat16],
    ['float16', 1, float16],
  ] as const)('of %s are those of the values', (_, format, codesOf) => {
    const products = new Float64Array(9);
    const square = new Float64Array(1);
    gram.addDeltaGramHalf(products, square, models.map(codesOf), codesOf(base), format);
    expect([...products]).toEqual(upper(differences));
    expect(square[0]).toBe(dot(base, base));
  });
});

describe('weighted sums of 16-bit floats', () => {
  const base = integers(100, 0);
  const models = [integers(100, 1), integers(100, 2)];
  // Halves of integers below 32 have few bits: nothing is rounded.
  const moved = base.map((b, i) => b + 0.5 * (models[0][i] - b) - (models[1][i] - b));
  const summed = models[0].map((x, i) => 0.5 * x - models[1][i]);
  const weights = Float64Array.of(0.5, -1);

  it.each([
    ['bfloat16', 0, bfloat16],
    ['float16', 1, float16],
  ] as const)('are stored as %s, with how far they lie from the base', (_, format, codesOf) => {
    const dst = new Uint16Array(100);
    const sums = Float64Array.of(1, 2);
    merge.deltaWeightedSumHalf(dst, sums, codesOf(base), models.map(codesOf), weights, format);
    expect([...dst]).toEqual([...codesOf(moved)]);
    const change = moved.map((x, i) => x - base[i]);
    expect([...sums]).toEqual([1 + dot(change, change), 2 + dot(base, base)]);
  });

  it('are measured against any reference', () => {
    const dst = new Uint16Array(100);
    const sums = new Float64Array(2);
    merge.weightedSumHalf(dst, sums, bfloat16(models[1]), models.map(bfloat16), weights, 0);
    expect([...dst]).toEqual([...bfloat16(summed)].map((code) => (code === 0x8000 ? 0 : code)));
    const change = summed.map((x, i) => x - models[1][i]);
    expect([...sums]).toEqual([dot(change, change), dot(models[1], models[1])]);
  });

  it('round once, to even, and make every NaN the quiet one', () => {
    const dst = new Uint16Array(4);
    // 1 + 3/4 of a step of 2^-7; 1 + 1/2 and 1 + 3/2 of one, ties; and NaN with a payload and a sign.
    const codes = [
      Uint16Array.of(0x3f80, 0x3f80, 0x3f81, 0xffaa),
      Uint16Array.of(0x3f81, 0x3f81, 0x3f82, 0x3f80),
    ];
    merge.weightedSumHalf(dst, new Float64Array(2), codes[0], codes, Float64Array.of(0.5, 0.5), 0);
    expect([...dst]).toEqual([0x3f80, 0x3f80, 0x3f82, 0x7fc0]);
    merge.weightedSumHalf(dst, new Float64Array(2), codes[0], codes, Float64Array.of(0.25, 0.75), 0);
    expect(dst[0]).toBe(0x3f81);
  });
});
