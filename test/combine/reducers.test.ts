import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fixedDenominator,
  meanOfHolders,
  type StreamingReducer,
  trimmedMean,
  weightedMean,
} from '../../src/combine/reducers.js';
import { InvalidArgumentError } from '../../src/errors.js';
import { backends } from '../support/backends.js';

const [kernels] = backends;

function trimmed(trim: number, updates: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(updates[0]?.length ?? 2).fill(Number.NaN);
  trimmedMean({ trim }).reduce(
    out,
    updates,
    updates.map(() => 1),
    0,
    out.length,
  );
  return out;
}

describe('the trimmed mean', () => {
  // Seven points with one attacker, worked by hand: per coordinate drop the least and the greatest, average five.
  const points = [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
    [0.5, 0.4],
    [10, 10],
    [0.2, 0.3],
  ].map((point) => Float32Array.from(point));

  it('gives (0.54, 0.54) on the worked example with one cut at each end', () => {
    // floor(0.15 * 7) = 1
    for (const value of trimmed(0.15, points)) expect(value).toBeCloseTo(0.54, 6);
  });

  it('is the mean at trim 0', () => {
    // 12.7 / 7
    for (const value of trimmed(0, points)) expect(value).toBeCloseTo(1.814286, 5);
  });

  it('is the median where all but one are cut', () => {
    // floor(0.45 * 7) = 3
    expect([...trimmed(0.45, points)]).toEqual([Math.fround(0.5), Math.fround(0.4)]);
  });

  it('cuts 29 of 100 at a trim of 0.29, which in float64 is a little less than 29', () => {
    const column = Array.from({ length: 100 }, (_, i) => Float32Array.of(i < 29 ? -1e6 : i >= 71 ? 1e9 : 5));
    expect([...trimmed(0.29, column)]).toEqual([5]);
  });

  it('gives zeros where no update came', () => {
    expect([...trimmed(0.1, [])]).toEqual([0, 0]);
  });

  it('does not depend on the order of clients, and stays inside what honest clients sent', () => {
    const column = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 }), {
      minLength: 5,
      maxLength: 15,
    });
    fc.assert(
      fc.property(column, fc.constantFrom(1e38, -1e38), (honest, attack) => {
        // One attacker among at most 16, trim 0.2 cuts at least 1.
        const updates = [attack, ...honest].map((value) => Float32Array.of(value));
        const [result] = trimmed(0.2, updates);
        expect(trimmed(0.2, updates.toReversed())[0]).toBe(result);
        expect(result).toBeGreaterThanOrEqual(Math.min(...honest) - 1e-3);
        expect(result).toBeLessThanOrEqual(Math.max(...honest) + 1e-3);
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  it('moves with its inputs, and writes its range alone', () => {
    const shifted = trimmed(
      0.15,
      points.map((point) => point.map((v) => 2 * v + 3)),
    );
    for (const value of shifted) expect(value).toBeCloseTo(2 * 0.54 + 3, 5);
    const out = Float32Array.of(7, 7);
    trimmedMean({ trim: 0.15 }).reduce(out, points, [], 1, 2);
    expect(out[0]).toBe(7);
    expect(out[1]).toBeCloseTo(0.54, 6);
  });

  it.each([0.5, -0.1, Number.NaN])('refuses a trim of %s', (trim) => {
    expect(() => trimmedMean({ trim })).toThrow(InvalidArgumentError);
  });
});

describe('streaming reductions', () => {
  const make = (reducer: StreamingReducer, extra = {}) =>
    reducer.create({ kernels, size: 1, expectedWeight: 20, ...extra });

  it('weighted mean divides by what came, fixed denominator by what was expected', () => {
    for (const [reducer, expected] of [
      [weightedMean(), 3],
      [fixedDenominator(), 1.5],
    ] as const) {
      const aggregator = make(reducer);
      aggregator.add(Float32Array.of(2), { weight: 5 });
      aggregator.add(Float32Array.of(4), { weight: 5 });
      expect([...aggregator.finish()], reducer.name).toEqual([expected]);
    }
  });

  it('mean of holders wants masks and by default two clients at a coordinate', () => {
    const reducer = meanOfHolders();
    expect(reducer.wantsMask).toBe(true);
    expect(weightedMean().wantsMask).toBe(false);
    const aggregator = reducer.create({ kernels, size: 2, expectedWeight: 1 });
    aggregator.add(Float32Array.of(1, 5), { weight: 100, mask: Uint8Array.of(1, 1) });
    aggregator.add(Float32Array.of(4, 0), { weight: 200, mask: Uint8Array.of(1, 0) });
    expect([...aggregator.finish()]).toEqual([3, 0]);
  });

  it('hands on the bound of the server', () => {
    const aggregator = make(weightedMean(), { maxNorm: 0.5, rejectAbove: 4 });
    expect(aggregator.add(Float32Array.of(1)).clipped).toBe(true);
    expect(() => aggregator.add(Float32Array.of(3))).toThrow(/far above its bound of 0.5/);
  });
});
