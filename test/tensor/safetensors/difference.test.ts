import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformF32 } from '../../../src/kernels/reference/random.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { tensorDifference } from '../../../src/tensor/safetensors/difference.js';
import type { StoredDtype } from '../../../src/tensor/safetensors/dtype.js';
import { raw } from '../../merge/model-files.js';
import { opened, stored, tensorOf, type WideValues } from './stored-tensors.js';

const kernels = await loadBackend();

function random(n: number, key: number): Float32Array {
  const x = new Float32Array(n);
  uniformF32(x, key, 1, 0, 0, 0, 0);
  return x.map((v) => v - 0.5);
}

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

describe('elements that are stored otherwise', () => {
  const differences = async (dtype: StoredDtype, a: WideValues, b: WideValues) =>
    tensorDifference(await stored(dtype, a), await stored(dtype, b), { kernels });

  it('are counted beside those of other value: zeros of other sign, NaNs of other bits', async () => {
    const [a, b] = [
      Float64Array.of(0, Number.NaN, 1, 1, Number.NaN),
      Float64Array.of(-0, 0, 2, 1, Number.NaN),
    ];
    new BigUint64Array(b.buffer)[1] = 0x7ff8_0000_0000_0001n;
    expect(await differences('F64', a, b)).toMatchObject({ different: 1, differentBits: 3, nonFinite: 2 });
    const floats = await differences('F32', Float32Array.of(0, 3), Float32Array.of(-0, 3));
    expect(floats).toMatchObject({ identical: false, different: 0, differentBits: 1 });
    const halves = await differences(
      'BF16',
      Uint16Array.of(0x8000, 0x7fc0, 0x3f80),
      Uint16Array.of(0, 0x7fc1, 0),
    );
    expect(halves).toMatchObject({ different: 1, differentBits: 3 });
    const flags = await differences('BOOL', Uint8Array.of(1, 0), Uint8Array.of(255, 0));
    expect(flags).toMatchObject({ identical: false, different: 0, differentBits: 1 });
  });

  it('are counted where values cannot be read, but for types of less than a byte', async () => {
    expect(await differences('U16', Uint16Array.of(1, 2, 3), Uint16Array.of(1, 0x202, 4))).toEqual({
      identical: false,
      differentBits: 2,
    });
    const [halves, others] = [raw('F4', [4], [0x12, 0x34]), raw('F4', [4], [0x12, 0x33])];
    const packed = await tensorDifference(await opened({ t: halves }), await opened({ t: others }), {
      kernels,
    });
    expect(packed).toEqual({ identical: false });
  });

  it('are not counted between two types', async () => {
    const zero = await tensorOf(Float32Array.of(0, 1));
    const negative = await tensorOf(Float32Array.of(-0, 1), 'F16');
    const difference = await tensorDifference(zero, negative, { kernels });
    expect(difference).toMatchObject({ identical: false, different: 0 });
    expect(difference.differentBits).toBeUndefined();
  });
});

describe('64-bit integers beside another type', () => {
  const beside = async (longs: bigint[], dtype: StoredDtype, values: WideValues) => {
    const [a, b] = [await stored('I64', BigInt64Array.from(longs)), await stored(dtype, values)];
    const [forth, back] = [
      await tensorDifference(a, b, { kernels }),
      await tensorDifference(b, a, { kernels }),
    ];
    const { different, maxAbsolute, maxRelative, normDelta } = forth;
    expect(back).toMatchObject({ different, maxAbsolute, maxRelative, normDelta });
    return forth;
  };
  const wideInt = 2n ** 53n;

  it('are compared exactly with floats that round to the same float64', async () => {
    const floats = Float64Array.of(2 ** 53, 2 ** 53, -(2 ** 53), 2 ** 63, 0.5);
    const exact = await beside([wideInt, wideInt + 1n, -wideInt - 3n, 2n ** 63n - 1n, 0n], 'F64', floats);
    expect(exact).toMatchObject({ different: 4, maxAbsolute: 3, identical: false });
    expect(exact.normDelta).toBe(Math.sqrt(1 + 9 + 1 + 0.25));
    const single = await beside(
      [2n ** 60n, 2n ** 60n + 100n],
      'F32',
      Float32Array.of(2 ** 60, 2 ** 60 + 2 ** 40),
    );
    expect(single).toMatchObject({ different: 1, maxAbsolute: 2 ** 40 - 100 });
  });

  it('are compared exactly with smaller integers, and with what is no integer or far away', async () => {
    const ints = await beside([7n, wideInt + 1n], 'I32', Int32Array.of(7, 2 ** 31 - 1));
    expect(ints).toMatchObject({ different: 1, maxAbsolute: Number(wideInt + 1n - (2n ** 31n - 1n)) });
    const others = await beside(
      [wideInt + 1n, wideInt + 1n, wideInt + 1n, 1n],
      'F64',
      Float64Array.of(1e300, Number.NaN, Number.POSITIVE_INFINITY, 1.5),
    );
    expect(others).toMatchObject({ different: 4, nonFinite: 2, maxAbsolute: 1e300, maxRelative: 1 });
  });
});

describe('types that float32 does not hold', () => {
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

  const compared = async (a: number[], b: number[]) =>
    tensorDifference(await stored('F64', Float64Array.from(a)), await stored('F64', Float64Array.from(b)), {
      kernels,
    });

  it('have norms and a cosine where squares and products are beyond float64', async () => {
    const huge = await compared([3e200, 4e200], [4e200, 3e200]);
    expect(huge.normA).toBeCloseTo(5e200, -190);
    expect(huge.normDelta).toBeCloseTo(Math.SQRT2 * 1e200, -190);
    expect(huge.cosine).toBeCloseTo(24 / 25, 12);
    const tiny = await compared([3e-200, 4e-200], [4e-200, 3e-200]);
    expect(tiny.normDelta).toBeCloseTo(Math.SQRT2 * 1e-200, 210);
    expect(tiny.cosine).toBeCloseTo(24 / 25, 12);
    const both = await compared([3e200, 4e200, 0], [-3e-200, -4e-200, 0]);
    expect(both.cosine).toBeCloseTo(-1, 12);
    // Values whose difference is far smaller than they are.
    const near = await compared([1e300, 1, 2e-200], [1e300, 1, 5e-200]);
    expect(near).toMatchObject({ different: 1, maxRelative: 3 / 5 });
    expect(near.normDelta).toBeCloseTo(3e-200, 210);
    expect(near.normA).toBe(1e300);
  });

  it('have a largest relative difference where the difference is beyond float64', async () => {
    const most = Number.MAX_VALUE;
    const opposite = await compared([most, 1e308, 1], [-most, -0.5e308, 1]);
    expect(opposite).toMatchObject({ different: 2, maxAbsolute: Number.POSITIVE_INFINITY, maxRelative: 2 });
    expect(opposite.normDelta).toBe(Number.POSITIVE_INFINITY);
    expect(opposite.cosine).toBeLessThan(-0.9);
    const least = await compared([Number.MIN_VALUE], [4 * Number.MIN_VALUE]);
    expect(least).toMatchObject({ maxAbsolute: 3 * Number.MIN_VALUE, maxRelative: 3 / 4 });
    expect(least.normDelta).toBe(3 * Number.MIN_VALUE);
  });

  it('are as different, bit for bit, whatever power of two both are multiplied by', async () => {
    const pairs = fc.array(fc.tuple(fc.integer({ max: 2 ** 26 }), fc.integer({ max: 2 ** 26 })), {
      minLength: 1,
      maxLength: 12,
    });
    const property = fc.asyncProperty(pairs, fc.integer({ min: -1020, max: 980 }), async (numbers, power) => {
      const half = Math.trunc(power / 2);
      const grown = (v = 0): number => v * 2 ** half * 2 ** (power - half);
      const [a, b] = [numbers.map(([u]) => u), numbers.map(([, v]) => v)];
      const plain = await compared(a, b);
      const other = await compared(a.map(grown), b.map(grown));
      expect(other).toMatchObject({
        different: plain.different,
        maxRelative: plain.maxRelative,
        cosine: plain.cosine,
        maxAbsolute: grown(plain.maxAbsolute),
        normA: grown(plain.normA),
        normB: grown(plain.normB),
        normDelta: grown(plain.normDelta),
      });
    });
    await fc.assert(property, { seed: 6, numRuns: 200 });
  });

  it('add up over chunks of other magnitudes', async () => {
    const n = 2 ** 20;
    const [a, b] = [new Float64Array(2 * n), new Float64Array(2 * n)];
    a.set([1e-200, 2e-200]);
    b.set([2e-200, 2e-200]);
    a.set([3e200], n);
    b.set([3e200], n);
    const difference = await tensorDifference(await stored('F64', a), await stored('F64', b), { kernels });
    expect(difference.normDelta).toBeCloseTo(1e-200, 210);
    expect(difference).toMatchObject({ different: 1, normA: 3e200, cosine: 1, maxRelative: 0.5 });
  });
});
