import { describe, expect, it } from 'vitest';
import * as fisher from '../../../src/kernels/reference/fisher.js';
import { randomF32 } from './golden.js';

describe('fisher kernels', () => {
  it('accumulate squares, and average them with decay', () => {
    const acc = Float64Array.of(1, 2);
    fisher.accumulateSquaresF64(acc, Float32Array.of(3, -0.5));
    expect([...acc]).toEqual([10, 2.25]);
    const v = new Float32Array(1);
    for (let t = 0; t < 50; t++) fisher.movingAverageSquaresF32(v, Float32Array.of(2), 0.9);
    expect(v[0]).toBeCloseTo(4 * (1 - 0.9 ** 50), 5);
  });

  it('score a unit by the sum of its row', () => {
    const scores = Float64Array.of(100, 200);
    fisher.scoreUnitsF64(scores, Float64Array.of(1, 2, 3, 4, 5, 6), 3);
    expect([...scores]).toEqual([106, 215]);
  });

  it('average models by precision', () => {
    const dst = new Float32Array(3);
    const models = [Float32Array.of(1, 1, 1), Float32Array.of(4, 4, 4)];
    const fishers = [Float32Array.of(2, 0, 1), Float32Array.of(1, 0, 0)];
    fisher.fisherAverageF32(dst, models, fishers, Float64Array.of(1, 1), 1e-6);
    expect(dst[0]).toBeCloseTo((2 * 1 + 1 * 4) / 3, 6);
    expect(dst[1]).toBeCloseTo(2.5, 6); // the floor makes both equal where nobody has information
    expect(dst[2]).toBeCloseTo(1 + 3e-6, 6);
  });

  it('with equal precisions is the weighted mean', () => {
    const models = [1, 2, 3].map((seed) => randomF32(50, seed));
    const ones = models.map(() => new Float32Array(50).fill(0.25));
    const dst = new Float32Array(50);
    fisher.fisherAverageF32(dst, models, ones, Float64Array.of(1, 2, 5), 1e-6);
    dst.forEach((v, i) => {
      expect(v).toBeCloseTo((models[0][i] + 2 * models[1][i] + 5 * models[2][i]) / 8, 6);
    });
  });
});
