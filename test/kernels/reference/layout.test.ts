import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gemmKernels } from '../../../src/kernels/reference/gemm.js';
import * as layout from '../../../src/kernels/reference/layout.js';

const f32 = (...values: number[]) => Float32Array.from(values);

describe('broadcasts and sums', () => {
  it('adds a bias to every position of its channel, and sums back over image and position', () => {
    const y = new Float32Array(12);
    layout.addBiasF32(y, f32(1, 2), 3, 2, 2);
    expect([...y]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2]);
    const db = f32(100, 200);
    layout.sumChannelsF32(db, y, 3, 2, 2, -0.5, 1);
    expect([...db]).toEqual([97, 194]);
    const rows = new Float32Array(6).fill(5);
    layout.sumSpatialRowsF32(rows, y, 2, 0);
    expect([...rows]).toEqual([2, 4, 2, 4, 2, 4]);
  });
  it('scales rows and adds them up with weights', () => {
    const x = f32(1, 2, 3, 4, 5, 6);
    layout.scaleRowsF32(x, f32(2, -1), 3);
    expect([...x]).toEqual([2, 4, 6, -4, -5, -6]);
    const sum = f32(1, 1, 1);
    layout.weightedSumRowsF32(sum, x, f32(0.5, 2), 2, 10);
    expect([...sum]).toEqual([3, 2, 1]);
  });
  it('transposes', () => {
    const turned = new Float32Array(6);
    layout.transposeF32(turned, f32(1, 2, 3, 4, 5, 6), 2, 3);
    expect([...turned]).toEqual([1, 4, 2, 5, 3, 6]);
  });
  it('multiplies, adds and squares elementwise', () => {
    const y = f32(1, 1);
    layout.multiplyAddF32(y, f32(2, 3), f32(4, -5), 0.5);
    expect([...y]).toEqual([5, -6.5]);
    layout.squareF32(y, y);
    expect([...y]).toEqual([25, 42.25]);
  });
});

describe('what per-example clipping needs', () => {
  it('ghost norms equal the norms of the gradients formed in full', () => {
    const [rows, m, n] = [3, 4, 5];
    const a = Float32Array.from({ length: rows * m }, (_, i) => ((i * 5) % 7) - 3);
    const b = Float32Array.from({ length: rows * n }, (_, i) => ((i * 3) % 5) - 2);
    const whole = new Float32Array(rows * m * n);
    gemmKernels('plain').outerRowsF32(whole, a, b, m, n, 0);
    const norms2 = new Float64Array(rows).fill(1000);
    layout.ghostNormRowsF32(norms2, a, b, m, n, 1);
    for (let r = 0; r < rows; r++) {
      const weight = whole.subarray(r * m * n, (r + 1) * m * n).reduce((sum, g) => sum + g * g, 0);
      const bias = a.subarray(r * m, (r + 1) * m).reduce((sum, g) => sum + g * g, 0);
      expect(norms2[r]).toBe(1000 + weight + bias);
    }
  });

  it('clipped rows never exceed the bound, and rows inside are left alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.double({ min: 0.001, max: 50, noNaN: true }),
        (values, maxNorm) => {
          const x = Float32Array.from(values);
          const norm2 = x.reduce((sum, v) => sum + v * v, 0);
          const factors = new Float32Array(1);
          layout.clipFactorsF32(factors, Float64Array.of(norm2), maxNorm, 1);
          if (Math.sqrt(norm2) <= maxNorm) expect(factors[0]).toBe(1);
          else expect(factors[0]).toBeGreaterThan((maxNorm / Math.sqrt(norm2)) * (1 - 4e-7));
          layout.scaleRowsF32(x, factors, x.length);
          expect(Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))).toBeLessThanOrEqual(maxNorm * (1 + 1e-15));
        },
      ),
      { seed: 9, numRuns: 1000 },
    );
  });
});
