import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as clip from '../../../src/kernels/reference/clip.js';
import { sumSquaresF32 } from '../../../src/kernels/reference/reduce.js';
import { mulberry32, randomF32 } from './golden.js';

describe('clipping', () => {
  it('never leaves a norm above C, and comes within 4e-7 of it', () => {
    const next = mulberry32(7);
    for (let trial = 0; trial < 200; trial++) {
      const x = randomF32(1 + Math.floor(next() * 500), trial, 10 ** (next() * 8 - 4));
      const before = Math.sqrt(sumSquaresF32(x));
      const maxNorm = before * (0.01 + next());
      expect(clip.clipInPlaceF32(x, maxNorm)).toBe(before);
      const after = Math.sqrt(sumSquaresF32(x));
      expect(after).toBeLessThanOrEqual(maxNorm);
      if (maxNorm < before) expect(after).toBeGreaterThan(maxNorm * (1 - 4e-7));
      else expect(after).toBe(before);
    }
  });

  it('leaves short vectors, and vectors that are not finite, alone', () => {
    const x = Float32Array.of(0.3, -0.4);
    expect(clip.clipInPlaceF32(x, 0.6)).toBeCloseTo(0.5, 7);
    expect(x).toEqual(Float32Array.of(0.3, -0.4));
    const bad = Float32Array.of(1, Number.NaN);
    expect(clip.clipInPlaceF32(bad, 0.1)).toBeNaN();
    expect(bad[0]).toBe(1);
    const acc = new Float64Array(2);
    expect(clip.clipAccumulateF64(acc, Float32Array.of(1, -Infinity), 1, 1)).toBe(Infinity);
    expect([...acc]).toEqual([0, 0]);
  });

  it('accumulating a clipped vector equals clipping, then accumulating', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true })),
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        (values, maxNorm) => {
          const x = Float32Array.from(values);
          const acc = Float64Array.from(values, (_, i) => i);
          const expected = acc.slice();
          const norm = clip.clipAccumulateF64(acc, x, maxNorm, 0.7);
          expect(clip.clipInPlaceF32(x, maxNorm)).toBe(norm);
          clip.accumulateF64(expected, x, 0.7);
          expect(acc).toEqual(expected);
        },
      ),
    );
  });
});

describe('means', () => {
  it('masked sums and counts give the mean over holders', () => {
    const acc = new Float64Array(3);
    const counts = new Float64Array(3);
    clip.maskedAccumulateF64(acc, counts, Float32Array.of(1, 2, 3), Uint8Array.of(1, 1, 0), 2);
    clip.maskedAccumulateF64(acc, counts, Float32Array.of(4, Number.NaN, 6), Uint8Array.of(1, 0, 0), 1);
    expect([...acc]).toEqual([6, 4, 0]);
    expect([...counts]).toEqual([3, 2, 0]);
    const mean = new Float32Array(3);
    clip.meanOfHoldersF32(mean, acc, counts, 0);
    expect([...mean]).toEqual([2, 2, 0]);
    clip.meanOfHoldersF32(mean, acc, counts, 3);
    expect([...mean]).toEqual([2, 0, 0]);
    clip.meanF32(mean, acc, 4);
    expect([...mean]).toEqual([1.5, 1, 0]);
  });

  it('the weighted sum is the float64 sum, rounded once', () => {
    const sources = [1, 2, 3].map((seed) => randomF32(100, seed));
    const dst = new Float32Array(100);
    clip.weightedSumF32(dst, sources, Float64Array.of(0.2, 0.3, 0.5));
    dst.forEach((v, i) => {
      const exact = 0.2 * sources[0][i] + 0.3 * sources[1][i] + 0.5 * sources[2][i];
      expect(Math.abs(v - exact)).toBeLessThanOrEqual(2 ** -24 * Math.abs(exact) * (1 + 1e-6) + 1e-45);
    });
    clip.weightedSumF32(dst, [], new Float64Array(0));
    expect(dst.every((v) => v === 0)).toBe(true);
  });
});
