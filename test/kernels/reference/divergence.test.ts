// Divergences against closed forms and Math in float64; Math may differ in the last place, hence the bounds.
import { describe, expect, it } from 'vitest';
import { expNegativeF64 } from '../../../src/kernels/reference/divergence.js';
import { backends } from '../../support/backends.js';

describe('expNegativeF64', () => {
  it('is within 1 ulp of e^x, and 0 far below', () => {
    for (let i = 0; i <= 20_000; i++) {
      const x = -i * i * 1.77e-6;
      expect(Math.abs(expNegativeF64(x) / Math.exp(x) - 1), `at ${x}`).toBeLessThan(2.3e-16 * 1.5);
    }
    expect(expNegativeF64(0)).toBe(1);
    expect(expNegativeF64(-709)).toBe(0);
    expect(expNegativeF64(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(expNegativeF64(Number.NaN)).toBeNaN();
  });
});

describe.each(backends.map((kernels) => [kernels.backend, kernels] as const))('on %s', (_, kernels) => {
  it('two classes with odds of 3 and of 1 to 1 diverge by their closed form', () => {
    // P = (3/4, 1/4), Q = (1/2, 1/2): KL = ln 2 - H(P) = 3/4 ln(3/2) + 1/4 ln(1/2).
    const x = Float32Array.of(Math.log(3), 0);
    const dst = new Float64Array(1);
    kernels.divergenceRowsF64(dst, x, new Float32Array(2), 2, 1e-12);
    expect(dst[0]).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 7);
  });

  it('a row does not diverge from itself shifted, and a NaN stays', () => {
    const x = Float32Array.from({ length: 100 }, (_, i) => ((i * 37) % 64) / 32);
    const rows = Float32Array.from([...x, ...x, ...x]);
    rows[250] = Number.NaN;
    const shifted = Float32Array.from([...x, ...x.map((v) => v + 4), ...x]);
    const dst = new Float64Array(3);
    kernels.divergenceRowsF64(dst, rows, shifted, 100, 1e-8);
    expect(dst[0]).toBe(0);
    expect(dst[1]).toBe(0);
    expect(dst[2]).toBeNaN();
  });

  it('scores by the factor of the row, and takes from the score on', () => {
    const x = Float32Array.of(1, 2, 3, 4);
    const base = Float32Array.of(2, 4, 3, 0);
    const factors = Float64Array.of(0.5, 0.25);
    const dst = new Float32Array(4);
    kernels.scoreDeltaRowsF32(dst, x, base, factors, 2);
    expect([...dst]).toEqual([0.5, 1, 0, 1]);
    kernels.takeScoredRowsF32(dst, x, base, factors, 2, 1);
    expect([...dst]).toEqual([2, 2, 3, 4]);
  });
});
