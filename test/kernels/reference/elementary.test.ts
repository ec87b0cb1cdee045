import { describe, expect, it } from 'vitest';
import { expF, logF, sigmoidF, tanhF } from '../../../src/kernels/reference/elementary.js';

const pattern = new Uint32Array(1);
const value = new Float32Array(pattern.buffer);

/** Distance of two neighbouring float32 numbers at |x|. */
function ulp(x: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(x))));
  return 2 ** (exponent - 23);
}

/** Every `step`-th float32 between two bit patterns, with both signs. */
function worst(
  fn: (x: number) => number,
  oracle: (x: number) => number,
  from: number,
  to: number,
  negative: boolean,
) {
  value[0] = from;
  const first = pattern[0];
  value[0] = to;
  const last = pattern[0];
  let error = 0;
  for (let bits = first; bits <= last; bits += 9973) {
    pattern[0] = bits;
    for (const x of negative ? [value[0], -value[0]] : [value[0]]) {
      const want = oracle(x);
      error = Math.max(error, Math.abs(fn(x) - want) / ulp(want));
    }
  }
  return error;
}

describe('elementary functions against float64', () => {
  it('exp within 2 ulp over its whole range', () => {
    expect(worst(expF, Math.exp, 1e-10, 88.72, true)).toBeLessThan(2);
  });
  it('log within 2 ulp from the smallest subnormal to the largest number', () => {
    expect(worst(logF, Math.log, 1e-44, 3.4e38, false)).toBeLessThan(2);
  });
  it('tanh within 3 ulp', () => {
    expect(worst(tanhF, Math.tanh, 1e-30, 20, true)).toBeLessThan(3);
  });
  it('sigmoid within 3 ulp', () => {
    expect(worst(sigmoidF, (x) => 1 / (1 + Math.exp(-x)), 1e-10, 87, true)).toBeLessThan(3);
  });

  it('keeps the limits', () => {
    const { POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: minus, NaN: nan } = Number;
    expect([0, -0, inf, minus, 89, -104, nan].map(expF)).toEqual([1, 1, inf, 0, inf, 0, nan]);
    expect(expF(-103.5)).toBeGreaterThan(0);
    expect([1, 0, -0, inf, -1, minus, nan].map(logF)).toEqual([0, minus, minus, inf, nan, nan, nan]);
    expect([0, -0, inf, minus, nan].map(tanhF)).toEqual([0, -0, 1, -1, nan]);
    expect([0, inf, minus, nan].map(sigmoidF)).toEqual([0.5, 1, 0, nan]);
    expect(sigmoidF(-100)).toBeGreaterThan(0);
  });
});
