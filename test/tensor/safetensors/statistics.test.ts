import { describe, expect, it } from 'vitest';
import { uniformF32 } from '../../../src/kernels/reference/random.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { openModelBlobs } from '../../../src/tensor/safetensors/blob-reader.js';
import type { StoredDtype } from '../../../src/tensor/safetensors/dtype.js';
import { encodeModel, type FlatModel } from '../../../src/tensor/safetensors/flat-model.js';
import { tensorDifference, tensorStatistics } from '../../../src/tensor/safetensors/statistics.js';

const kernels = await loadBackend();

async function tensorOf(values: Float32Array, dtype: StoredDtype = 'F32') {
  const model: FlatModel = { tensors: new Map([['t', { dtype, shape: [values.length], values }]]) };
  const source = await openModelBlobs('m', await encodeModel(model));
  const info = source.tensors.get('t');
  if (info === undefined) throw new Error('no tensor');
  return [source, info] as const;
}

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

describe('the difference of two tensors', () => {
  it('is known for b = 2a', async () => {
    const a = random(1_500_000, 3);
    const difference = await tensorDifference(await tensorOf(a), await tensorOf(a.map((v) => 2 * v)), {
      kernels,
    });
    const norm = Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));
    expect(difference.identical).toBe(false);
    expect(difference.normA).toBeCloseTo(norm, 6);
    expect(difference.normDelta).toBeCloseTo(norm, 6);
    expect(difference.normB).toBeCloseTo(2 * norm, 6);
    expect(difference.cosine).toBeCloseTo(1, 12);
    expect(difference.maxRelative).toBe(0.5);
    expect(difference.maxAbsolute).toBe(a.reduce((m, v) => Math.max(m, Math.abs(v)), 0));
    expect(difference.different).toBe(a.filter((v) => v !== 0).length);
  });

  it('is a right angle for orthogonal tensors, and counts what is not finite apart', async () => {
    const inf = Number.POSITIVE_INFINITY;
    const a = await tensorOf(Float32Array.of(1, 0, Number.NaN, inf, 1, inf));
    const b = await tensorOf(Float32Array.of(0, 1, Number.NaN, inf, Number.NaN, -inf));
    expect(await tensorDifference(a, b, { kernels })).toMatchObject({
      identical: false,
      different: 4,
      nonFinite: 4,
      cosine: 0,
      normDelta: Math.sqrt(2),
      maxAbsolute: 1,
      maxRelative: 1,
    });
  });

  it('is nothing for a tensor and itself, also in another type that holds its values', async () => {
    const a = Float32Array.of(1, -0.5, 2, Number.NaN);
    const same = await tensorDifference(await tensorOf(a), await tensorOf(a), { kernels });
    expect(same).toMatchObject({ identical: true, different: 0, maxAbsolute: 0, normDelta: 0 });
    const half = await tensorDifference(await tensorOf(a), await tensorOf(a, 'BF16'), { kernels });
    expect(half).toMatchObject({ identical: false, different: 0, maxAbsolute: 0 });
  });
});

describe('types that float32 does not hold', () => {
  /** A file written by hand, so that no value passes through float32. */
  async function stored(dtype: StoredDtype, values: Float64Array | BigInt64Array | Int32Array) {
    const bytes = new Uint8Array(values.buffer.slice(0) as ArrayBuffer);
    const entry = { dtype, shape: [values.length], data_offsets: [0, bytes.length] };
    const header = new TextEncoder().encode(JSON.stringify({ t: entry }));
    const length = new Uint8Array(8);
    new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
    const source = await openModelBlobs('m', new Blob([length, header, bytes]));
    const info = source.tensors.get('t');
    if (info === undefined) throw new Error('no tensor');
    return [source, info] as const;
  }

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

  it('are compared in float64: a relative 1e-12 in every element', async () => {
    const a = Float64Array.from({ length: 1000 }, (_, i) => 1 + i / 1000);
    const difference = await tensorDifference(
      await stored('F64', a),
      await stored(
        'F64',
        a.map((v) => v * (1 + 1e-12)),
      ),
      { kernels },
    );
    expect(difference.different).toBe(1000);
    expect(difference.maxRelative).toBeGreaterThan(0.999e-12);
    expect(difference.maxRelative).toBeLessThan(1.001e-12);
    expect(difference.cosine).toBeCloseTo(1, 12);
  });

  it('are compared exactly: I64 beyond 2^53, I32 beyond 2^24', async () => {
    const wide = 2n ** 53n;
    const longs = await tensorDifference(
      await stored('I64', BigInt64Array.of(wide, -wide, 5n)),
      await stored('I64', BigInt64Array.of(wide + 1n, -wide, 8n)),
      { kernels },
    );
    expect(longs).toMatchObject({ identical: false, different: 2, maxAbsolute: 3, maxRelative: 3 / 8 });
    expect(longs.normDelta).toBe(Math.sqrt(10));
    const ints = await tensorDifference(
      await stored('I32', Int32Array.of(2 ** 24, 7)),
      await stored('I32', Int32Array.of(2 ** 24 + 1, 7)),
      { kernels },
    );
    expect(ints).toMatchObject({ different: 1, maxAbsolute: 1 });
  });
});
