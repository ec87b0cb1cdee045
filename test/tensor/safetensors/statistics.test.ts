import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformF32 } from '../../../src/kernels/reference/random.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { openModelBlobs } from '../../../src/tensor/safetensors/blob-reader.js';
import { encodeModel, type FlatModel } from '../../../src/tensor/safetensors/flat-model.js';
import { tensorStatistics } from '../../../src/tensor/safetensors/statistics.js';
import { stored, tensorOf } from './stored-tensors.js';

const kernels = await loadBackend();

function random(n: number, key: number): Float32Array {
  const x = new Float32Array(n);
  uniformF32(x, key, 1, 0, 0, 0, 0);
  return x.map((v) => v - 0.5);
}

describe('statistics of a tensor', () => {
  it('count what is not finite and measure the rest', async () => {
    const values = Float32Array.of(3, Number.NaN, -4, 0, Number.POSITIVE_INFINITY, -0, Number.NaN);
    expect(await tensorStatistics(await tensorOf(values), { kernels })).toEqual({
      norm: 5,
      mean: -0.25,
      min: -4,
      max: 3,
      zeros: 2,
      nans: 2,
      infinities: 1,
    });
  });

  it('go over chunks: 2.5 million values of uniform noise have the moments of the distribution', async () => {
    const n = 2_500_000;
    const bytes: number[] = [];
    const tensor = await tensorOf(random(n, 7));
    const statistics = await tensorStatistics(tensor, { kernels, onBytes: (b) => bytes.push(b) });
    expect(bytes.reduce((sum, b) => sum + b, 0)).toBe(4 * n);
    expect(bytes.length).toBeGreaterThan(1);
    // Five standard deviations of the mean, and of the mean square.
    expect(Math.abs(statistics?.mean ?? 1)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(n));
    expect(Math.abs((statistics?.norm ?? 0) ** 2 / n - 1 / 12)).toBeLessThan(
      (5 * Math.sqrt(1 / 180)) / Math.sqrt(n),
    );
  });

  it('of nothing, and of types that are only copied', async () => {
    const empty = await tensorStatistics(await tensorOf(new Float32Array(0)), { kernels });
    expect(empty).toMatchObject({ norm: 0, mean: Number.NaN, nans: 0 });
    const stored = new Uint8Array(8);
    const model: FlatModel = {
      tensors: new Map([['t', { dtype: 'U16', shape: [4], values: new Float32Array(0), stored }]]),
    };
    const source = await openModelBlobs('m', await encodeModel(model));
    for (const info of source.tensors.values())
      expect(await tensorStatistics([source, info], { kernels })).toBeUndefined();
  });
});

describe('types that float32 does not hold', () => {
  it('are measured in float64: F64', async () => {
    const values = Float64Array.of(1e100, 2, -3e-60, Number.NaN, Number.NEGATIVE_INFINITY, 0);
    expect(await tensorStatistics(await stored('F64', values), { kernels })).toEqual({
      norm: 1e100,
      mean: 1e100 / 4,
      min: -3e-60,
      max: 1e100,
      zeros: 1,
      nans: 1,
      infinities: 1,
    });
  });

  const norm = async (...values: number[]) =>
    (await tensorStatistics(await stored('F64', Float64Array.from(values)), { kernels }))?.norm;

  it('have norms where squares are beyond float64', async () => {
    expect(await norm(3e200, -4e200)).toBeCloseTo(5e200, -190);
    expect((await norm(3e-200, -4e-200)) ?? 0).toBeGreaterThan(4.999999999999999e-200);
    expect((await norm(3e-200, -4e-200)) ?? 1).toBeLessThan(5.000000000000001e-200);
    // The least number of float64, whose norm is a multiple of it.
    expect(await norm(3 * Number.MIN_VALUE, 4 * Number.MIN_VALUE)).toBe(5 * Number.MIN_VALUE);
    expect(await norm(1e300, 1e-300, 0, 1)).toBe(1e300);
    expect(await norm(Number.MAX_VALUE)).toBe(Number.MAX_VALUE);
    expect(await norm(Number.MAX_VALUE, Number.MAX_VALUE)).toBe(Number.POSITIVE_INFINITY);
    expect(await norm(Number.NaN, Number.NEGATIVE_INFINITY)).toBe(0);
  });

  it('have the mean of values whose sum is beyond float64', async () => {
    const values = Float64Array.of(1.5e308, 1.5e308, 1.5e308, -0.5e308);
    expect((await tensorStatistics(await stored('F64', values), { kernels }))?.mean).toBeCloseTo(1e308, -296);
  });

  it('have norms and means that grow with the values, bit for bit, by any power of two', async () => {
    const values = fc.array(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), { minLength: 1, maxLength: 20 });
    const property = fc.asyncProperty(
      values,
      fc.integer({ min: -1020, max: 970 }),
      async (numbers, power) => {
        // In two steps, since the factor alone may be beyond float64.
        const half = Math.trunc(power / 2);
        const grown = (v: number): number => v * 2 ** half * 2 ** (power - half);
        const plain = await tensorStatistics(await stored('F64', Float64Array.from(numbers)), { kernels });
        const other = await tensorStatistics(await stored('F64', Float64Array.from(numbers, grown)), {
          kernels,
        });
        if (plain === undefined || other === undefined) throw new Error('not measured');
        expect(other.norm).toBe(grown(plain.norm));
        expect(other.max).toBe(grown(plain.max));
      },
    );
    await fc.assert(property, { seed: 5, numRuns: 200 });
  });

  it('add up over chunks of other magnitudes', async () => {
    const n = 2 ** 20;
    const values = new Float64Array(3 * n);
    values.set([3e200, 1], 0);
    values.set([1e-250, 7], n);
    values.set([-4e200, 1e-320], 2 * n);
    const statistics = await tensorStatistics(await stored('F64', values), { kernels });
    expect(statistics?.norm).toBeCloseTo(5e200, -190);
    expect(statistics?.mean).toBeCloseTo(-1e200 / (3 * n), -180);
    values.fill(0);
    values[0] = 3e-200;
    values[2 * n] = 4e-200;
    expect((await tensorStatistics(await stored('F64', values), { kernels }))?.norm).toBeCloseTo(5e-200, 212);
  });
});
