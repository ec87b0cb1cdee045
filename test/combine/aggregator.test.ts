import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AddOptions, createAggregator } from '../../src/combine/aggregator.js';
import { UpdateRejectedError, WeightRangeError } from '../../src/combine/errors.js';
import { DisposedError, InvalidArgumentError, ShapeMismatchError } from '../../src/errors.js';
import { createReference } from '../../src/kernels/reference.js';
import { backends } from '../support/backends.js';

const f32 = Math.fround;
const bitsOf = (x: Float32Array): number[] => [...new Uint32Array(x.buffer, x.byteOffset, x.length)];

/** Norm with the squares added from the smallest up: an order of summation of its own. */
function normOf(x: Float32Array): number {
  return Math.sqrt(
    [...x]
      .map((v) => v * v)
      .sort((a, b) => a - b)
      .reduce((sum, v) => sum + v, 0),
  );
}

function rejection(add: () => unknown): UpdateRejectedError {
  try {
    add();
  } catch (error) {
    if (error instanceof UpdateRejectedError) return error;
    throw error;
  }
  throw new Error('was not rejected');
}

const update = fc
  .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 })
  .map((values) => Float32Array.from(values));
const weighted = fc.record({ update, weight: fc.integer({ min: 1, max: 2 ** 29 - 1 }) });

for (const kernels of backends)
  describe(`the aggregator on ${kernels.backend}`, () => {
    it('averages by weight: [1, 2] with weight 1 and [3, 6] with weight 3 give [2.5, 5]', () => {
      const aggregator = createAggregator({ kernels, size: 2 });
      aggregator.add(Float32Array.of(1, 2), { weight: 1 });
      aggregator.add(Float32Array.of(3, 6), { weight: 3 });
      expect(aggregator.count).toBe(2);
      expect([...aggregator.finish()]).toEqual([2.5, 5]);
    });

    it('clips every update itself and says the norm that came', () => {
      const aggregator = createAggregator({ kernels, size: 2, maxNorm: 1 });
      expect(aggregator.add(Float32Array.of(3, 4))).toEqual({ norm: 5, clipped: true });
      expect(aggregator.add(Float32Array.of(0, 0.5))).toEqual({ norm: 0.5, clipped: false });
      const mean = aggregator.finish();
      expect(mean[0]).toBeCloseTo(0.3, 6);
      expect(mean[1]).toBeCloseTo(0.65, 6);
    });

    it('never adds more than the bound, from subnormal to huge', () => {
      const magnitude = fc.integer({ min: -45, max: 38 });
      const values = fc.array(fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), magnitude), {
        minLength: 1,
        maxLength: 20,
      });
      fc.assert(
        fc.property(values, fc.double({ min: 1e-30, max: 1e30, noNaN: true }), (parts, maxNorm) => {
          const x = Float32Array.from(parts, ([v, e]) => v * Number(`1e${e}`));
          const aggregator = createAggregator({ kernels, size: x.length, maxNorm });
          const { norm, clipped } = aggregator.add(x);
          const added = aggregator.finish();
          expect(normOf(added)).toBeLessThanOrEqual(Math.max(maxNorm, clipped ? 0 : norm));
          if (clipped) expect(normOf(added)).toBeLessThanOrEqual(maxNorm);
          else expect(bitsOf(added)).toEqual(bitsOf(x.map((v) => v + 0)));
          aggregator.dispose();
        }),
        { seed: 1, numRuns: 200 },
      );
    });

    it('divides by the expected clients, whoever came, with a fixed denominator', () => {
      const aggregator = createAggregator({ kernels, size: 1, denominator: 'fixed', expectedClients: 10 });
      aggregator.add(Float32Array.of(5));
      expect([...aggregator.finish()]).toEqual([0.5]);
      aggregator.add(Float32Array.of(5));
      aggregator.add(Float32Array.of(5));
      expect([...aggregator.finish()]).toEqual([1]);
      expect([...aggregator.finish()]).toEqual([0]);
    });

    it('rejects by name what is not finite, and keeps the sum to the bit', () => {
      for (const bad of [Number.NaN, Infinity, -Infinity]) {
        const clean = createAggregator({ kernels, size: 2, maxNorm: 1 });
        const attacked = createAggregator({ kernels, size: 2, maxNorm: 1 });
        for (const aggregator of [clean, attacked])
          aggregator.add(Float32Array.of(-0.3, 0.1), { slot: 0, weight: 3 });
        const error = rejection(() =>
          attacked.add(Float32Array.of(1, bad), { slot: 40, weight: 7, client: 'client-17' }),
        );
        expect(error.code).toBe('ERR_UPDATE_NOT_FINITE');
        expect(error.message).toContain('client client-17');
        expect(error.client).toBe('client-17');
        for (const aggregator of [clean, attacked])
          aggregator.add(Float32Array.of(0.7, -0.1), { slot: 41, weight: 5 });
        expect(attacked.count).toBe(2);
        expect(bitsOf(attacked.finish())).toEqual(bitsOf(clean.finish()));
      }
    });

    it('rejects by name what is far above its bound, and keeps the sum to the bit', () => {
      const aggregator = createAggregator({ kernels, size: 2, maxNorm: 1, rejectAbove: 4 });
      expect(aggregator.add(Float32Array.of(4, 0)).clipped).toBe(true);
      const error = rejection(() => aggregator.add(Float32Array.of(0, 4.01), { client: 9 }));
      expect(error).toMatchObject({ code: 'ERR_UPDATE_ABOVE_BOUND', client: '9', reason: 'above-bound' });
      expect(error.norm).toBeCloseTo(4.01, 6);
      expect(aggregator.count).toBe(1);
      const mean = aggregator.finish();
      expect(mean[0]).toBeCloseTo(1, 6);
      expect(mean[1]).toBe(0);
    });

    it('goes on with the next slot after a rejected update', () => {
      const aggregator = createAggregator({ kernels, size: 1 });
      rejection(() => aggregator.add(Float32Array.of(Number.NaN)));
      aggregator.add(Float32Array.of(2));
      aggregator.add(Float32Array.of(4));
      expect([...aggregator.finish()]).toEqual([3]);
    });

    it('takes weights from 1 to 2^29 - 1 that are integers, and no others', () => {
      const aggregator = createAggregator({ kernels, size: 1 });
      for (const weight of [0, -1, 0.5, 2 ** 29, Number.NaN, Infinity])
        expect(() => aggregator.add(Float32Array.of(1), { weight, client: 3 })).toThrow(WeightRangeError);
      expect(aggregator.count).toBe(0);
      aggregator.add(Float32Array.of(1), { weight: 2 ** 29 - 1 });
      aggregator.add(Float32Array.of(0), { weight: 1 });
      expect([...aggregator.finish()]).toEqual([f32((2 ** 29 - 1) / 2 ** 29)]);
    });

    it('gives each coordinate to its holders; with one holder each, the aggregate is the holder to the bit', () => {
      const aggregator = createAggregator({ kernels, size: 4, denominator: 'holders' });
      aggregator.add(Float32Array.of(0.1, 0.2, 0, 0), { weight: 600, mask: Uint8Array.of(1, 1, 0, 0) });
      aggregator.add(Float32Array.of(0, 0, -0.3, 0), { weight: 7, mask: Uint8Array.of(0, 0, 1, 0) });
      expect([...aggregator.finish()]).toEqual([f32(0.1), f32(0.2), f32(-0.3), 0]);
      expect([...(aggregator.held ?? [])]).toEqual([1, 1, 1, 0]);
    });

    it('counts clients, not their weight, as holders', () => {
      const aggregator = createAggregator({ kernels, size: 3, denominator: 'holders', minHolders: 2 });
      aggregator.add(Float32Array.of(1, 2, 0), { weight: 600, mask: Uint8Array.of(1, 1, 0) });
      aggregator.add(Float32Array.of(4, 0, 8), { weight: 300, mask: Uint8Array.of(1, 0, 1) });
      expect([...aggregator.finish()]).toEqual([2, 0, 0]);
      expect([...(aggregator.held ?? [])]).toEqual([1, 0, 0]);
      aggregator.add(Float32Array.of(0, 2, 0), { mask: Uint8Array.of(0, 1, 0) });
      expect([...aggregator.finish()], 'the counts start anew').toEqual([0, 0, 0]);
    });

    it('clips and rejects under masks too', () => {
      const options = { kernels, size: 2, maxNorm: 1, rejectAbove: 100, denominator: 'holders' } as const;
      const aggregator = createAggregator(options);
      const update = Float32Array.of(30, 40);
      const mask = Uint8Array.of(1, 1);
      expect(aggregator.add(update, { mask })).toEqual({ norm: 50, clipped: true });
      expect([...update], 'the caller keeps its values').toEqual([30, 40]);
      expect(rejection(() => aggregator.add(Float32Array.of(1, Number.NaN), { mask })).reason).toBe(
        'not-finite',
      );
      expect(rejection(() => aggregator.add(Float32Array.of(0, 101), { mask })).reason).toBe('above-bound');
      const mean = aggregator.finish();
      expect(mean[0]).toBeCloseTo(0.6, 6);
      expect(mean[1]).toBeCloseTo(0.8, 6);
    });

    it('has the bits of the slots: clients that never came leave no trace', () => {
      fc.assert(
        fc.property(fc.array(weighted, { minLength: 1, maxLength: 10 }), (clients) => {
          const run = (slotOf: (i: number) => number): number[] => {
            const aggregator = createAggregator({ kernels, size: 3 });
            clients.forEach(({ update: x, weight }, i) => {
              aggregator.add(x, { slot: slotOf(i), weight, client: i });
            });
            const bits = bitsOf(aggregator.finish());
            aggregator.dispose();
            return bits;
          };
          expect(run((i) => 3 * i + 1)).toEqual(run((i) => i));
        }),
        { seed: 2, numRuns: 60 },
      );
    });

    it('agrees with the reference to the bit', () => {
      const reference = createReference();
      fc.assert(
        fc.property(fc.array(weighted, { maxLength: 70 }), (clients) => {
          const [own, expected] = [kernels, reference].map((each) => {
            const aggregator = createAggregator({ kernels: each, size: 3, maxNorm: 0.5 });
            for (const { update: x, weight } of clients) aggregator.add(x, { weight });
            const bits = bitsOf(aggregator.finish());
            aggregator.dispose();
            return bits;
          });
          expect(own).toEqual(expected);
        }),
        { seed: 3, numRuns: 60 },
      );
    });
  });

describe('the aggregator', () => {
  const [kernels] = backends;

  it('keeps the exact mean over a long, badly scaled cohort', () => {
    const aggregator = createAggregator({ kernels, size: 1 });
    for (let i = 0; i < 1000; i++) aggregator.add(Float32Array.of(i % 2 === 0 ? 1e8 : -1e8 + 8));
    // Half of the cohort is 1e8 and half -99999992, both exact in float32: the mean is 4.
    expect([...aggregator.finish()]).toEqual([4]);
  });

  it('starts anew with finish', () => {
    const aggregator = createAggregator({ kernels, size: 2 });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 40; i++) aggregator.add(Float32Array.of(i, round));
      expect([...aggregator.finish()]).toEqual([19.5, round]);
      expect(aggregator.count).toBe(0);
    }
  });

  it('writes into `out`, and goes on where `out` is no good', () => {
    const aggregator = createAggregator({ kernels, size: 2 });
    aggregator.add(Float32Array.of(1, 2));
    expect(() => aggregator.finish(new Float32Array(3))).toThrow(ShapeMismatchError);
    const out = new Float32Array(2);
    expect(aggregator.finish(out)).toBe(out);
    expect([...out]).toEqual([1, 2]);
  });

  it('refuses updates, masks and slots that do not fit, and stays usable', () => {
    const aggregator = createAggregator({ kernels, size: 2, denominator: 'holders' });
    const mask = Uint8Array.of(1, 1);
    const refused: [Float32Array, AddOptions, unknown][] = [
      [new Float32Array(3), { mask }, ShapeMismatchError],
      [new Float32Array(2), {}, InvalidArgumentError],
      [new Float32Array(2), { mask: new Uint8Array(3) }, ShapeMismatchError],
      [new Float32Array(2), { mask, slot: -1 }, InvalidArgumentError],
      [new Float32Array(2), { mask, slot: 0.5 }, InvalidArgumentError],
    ];
    for (const [update, options, error] of refused)
      expect(() => aggregator.add(update, options)).toThrow(error as typeof ShapeMismatchError);
    expect(() => aggregator.add(new Float64Array(2) as unknown as Float32Array, { mask })).toThrow(
      /Float32Array/,
    );
    aggregator.add(Float32Array.of(1, 2), { mask });
    expect([...aggregator.finish()]).toEqual([1, 2]);
  });

  it('goes on after an array of the wrong type', () => {
    const aggregator = createAggregator({ kernels, size: 1 });
    expect(() => aggregator.add(new Float64Array(1) as unknown as Float32Array)).toThrow(/Float32Array/);
    aggregator.add(Float32Array.of(6));
    expect([...aggregator.finish()]).toEqual([6]);
  });

  it.each([
    [{ size: 0 }, 'size'],
    [{ size: 1.5 }, 'size'],
    [{ size: 1, maxNorm: 0 }, 'maxNorm'],
    [{ size: 1, maxNorm: Number.NaN }, 'maxNorm'],
    [{ size: 1, maxNorm: 1e-40 }, 'maxNorm'],
    [{ size: 1, denominator: 'fixed' }, 'expectedClients'],
    [{ size: 1, denominator: 'fixed', expectedClients: Infinity }, 'expectedClients'],
    [{ size: 1, denominator: 'mean' }, 'denominator'],
    [{ size: 1, denominator: 'holders', minHolders: 0 }, 'minHolders'],
    [{ size: 1, rejectAbove: 4 }, 'rejectAbove'],
    [{ size: 1, maxNorm: 1, rejectAbove: 0.5 }, 'rejectAbove'],
  ])('refuses %o and names %s', (options, argument) => {
    expect(() => createAggregator({ kernels, ...options } as never)).toThrow(
      new RegExp(`createAggregator: ${argument} must be`),
    );
  });

  it('cannot be used after dispose, which may come twice', () => {
    const aggregator = createAggregator({ kernels, size: 1 });
    aggregator.add(Float32Array.of(1));
    aggregator.dispose();
    aggregator.dispose();
    expect(() => aggregator.add(Float32Array.of(1))).toThrow(DisposedError);
    expect(() => aggregator.finish()).toThrow(DisposedError);
  });
});
