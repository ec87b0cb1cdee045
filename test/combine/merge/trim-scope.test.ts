/** `trim_scope: model` in memory, against a sort of whole task vectors in float64. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ties as tiesOf } from '../../../src/combine/merge/functions.js';
import { mergeModels } from '../../../src/combine/merge/in-memory.js';
import { dealTies, MagnitudeCounter, ThresholdSearch } from '../../../src/combine/merge/magnitude-counter.js';
import { mergeInMemory } from '../../../src/combine/merge/method.js';
import { ties } from '../../../src/combine/merge/ties.js';
import { currentKernels } from '../../../src/kernels/current.js';
import type { Kernels } from '../../../src/kernels/kernels.js';
import { createReference } from '../../../src/kernels/reference.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { contextOf, randomTensor } from './fixtures.js';
import { type Family, keptMasks, mergedByHand } from './trim-by-hand.js';

const backends: Kernels[] = [];
beforeAll(async () => {
  backends.push(createReference('plain'), await loadBackend({ backend: 'wasm' }), await loadBackend());
});
afterAll(() => {
  for (const kernels of backends) kernels.dispose();
});

/** Names in no order, sizes about the widths of kernels, and changes of very different scales. */
const SHAPES = { 'b.weight': [41, 7], 'a.weight': [130, 33], 'c.bias': [5], 'a.bias': [1], z: [16, 16] };
const SCALES: Readonly<Record<string, number>> = { 'b.weight': 1, 'a.weight': 0.02, 'c.bias': 30, z: 0.5 };

type Rounding = (x: Float32Array) => Float32Array;
const exact: Rounding = (x) => x;
/** To the nearest multiples of 2^-6, so that most magnitudes occur many times, in all tensors. */
const coarse: Rounding = (x) => x.map((v) => Math.round(v * 64) / 64);

function family(tunes: number, round: Rounding, seed = 1): Family {
  return Array.from({ length: tunes + 1 }, (_, m) => {
    const tensors = Object.entries(SHAPES).map(([name, shape], t) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const values = round(randomTensor(size, 31 * seed + t));
      const step = round(randomTensor(size, 1000 * seed + 100 * m + t, SCALES[name] ?? 0.1));
      return [name, { shape, values: m === tunes ? values : values.map((v, i) => v + step[i]) }] as const;
    });
    return new Map(tensors);
  });
}

const split = (models: Family) => ({ tunes: models.slice(0, -1), base: models[models.length - 1] });

describe('trim_scope: model', () => {
  for (const [what, round] of [
    ['values of all kinds', exact],
    ['values with many equal magnitudes', coarse],
  ] as const)
    it(`keeps what a sort of the whole task vector ranks first, of ${what}`, () => {
      const models = family(1, round);
      const { tunes, base } = split(models);
      const size = [...base.values()].reduce((sum, { values }) => sum + values.length, 0);
      for (const density of [1.5 / size, 0.05, 0.2, 0.5, 0.97]) {
        const [masks] = keptMasks(models, [density]);
        expect([...masks.values()].flat().filter(Boolean)).toHaveLength(Math.trunc(density * size));
        for (const kernels of backends) {
          const merged = mergeModels(tunes, { method: 'ties', base, density, trimScope: 'model', kernels });
          for (const [name, { values }] of merged) {
            const from = base.get(name)?.values ?? [];
            const want = from.map((b, i) => {
              const d = Math.fround((tunes[0].get(name)?.values[i] ?? 0) - b);
              return b + (masks.get(name)?.[i] ? d : 0);
            });
            expect(values, `${name} at ${density} on ${kernels.backend}`).toEqual(want);
          }
        }
      }
    });

  for (const normalize of [true, false])
    it(`elects and averages as the formulas say, ${normalize ? 'normalised' : 'summed'}`, () => {
      const models = family(3, coarse, 2);
      const { tunes, base } = split(models);
      const weight = [0.5, 0.3, 0.7];
      const density = [0.1, 0.4, 1];
      const options = { base, weight, density, normalize, lambda: 0.9, trimScope: 'model' } as const;
      const want = mergedByHand(models, { weight, density, normalize, lambda: 0.9 });
      for (const kernels of backends)
        for (const [name, { values }] of tiesOf(tunes, { ...options, kernels }))
          values.forEach((v, i) => {
            const expected = want.get(name)?.[i] ?? Number.NaN;
            expect(Math.abs(v - expected)).toBeLessThanOrEqual(2 ** -23 * Math.abs(expected));
          });
    });

  it('is trim_scope: tensor to the bit for a model of one tensor', () => {
    for (const round of [exact, coarse]) {
      const models = [3, 4, 5].map((seed) => round(randomTensor(70_001, seed)));
      const [base, ...tunes] = models;
      for (const options of [
        { density: 0.2 },
        { density: [0.01, 0.9], weight: [1, -0.4] },
        { density: 0.3, rescale: true, normalize: false },
        { density: 1e-9, minKeep: 7 },
      ]) {
        const each = (trimScope: 'tensor' | 'model') =>
          mergeModels(tunes, { method: 'ties', base, ...options, trimScope });
        expect(each('model')).toEqual(each('tensor'));
      }
    }
  });

  it('does not depend on the order in which a model holds its tensors', () => {
    const models = family(2, coarse, 3);
    const turned = models.map((model) => new Map([...model].toReversed()));
    const run = ([a, b, base]: Family) =>
      mergeModels([a, b], { method: 'ties', base, density: 0.3, trimScope: 'model' });
    expect(new Map([...run(turned)].toReversed())).toEqual(run(models));
  });

  it('keeps int(density N) entries, whatever the values', () => {
    const magnitude = fc.constantFrom(0, 0.25, 0.5, 1, 1 + 2 ** -23, 1e-30, 3e7);
    const change = fc.tuple(magnitude, fc.boolean()).map(([m, negative]) => (negative ? -m : m));
    const vector = fc.array(change, { minLength: 1, maxLength: 40 }).map((x) => Float32Array.from(x));
    fc.assert(
      fc.property(
        fc.array(vector, { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0.01, max: 0.999, noNaN: true }),
        (vectors, density) => {
          const model = new Map(vectors.map((values, i) => [`t${i}`, { shape: [values.length], values }]));
          const base = new Map(
            vectors.map(({ length }, i) => [`t${i}`, { shape: [length], values: new Float32Array(length) }]),
          );
          const size = vectors.reduce((sum, { length }) => sum + length, 0);
          const count = Math.max(1, Math.trunc(density * size));
          const merged = mergeModels([model], {
            ...{ method: 'ties', base, density, minKeep: 1, trimScope: 'model' },
          });
          const all = vectors.flatMap((x) => [...x]);
          const left = [...merged.values()].flatMap(({ values }) => [...values]);
          const sorted = all.map(Math.abs).sort((a, b) => b - a);
          // A kept change of 0 cannot be told from a dropped one.
          const zeros = sorted.slice(0, count).filter((m) => m === 0).length;
          expect(left.filter((v) => v !== 0)).toHaveLength(count - zeros);
          const kept = left.filter((v) => v !== 0).map(Math.abs);
          expect(kept.sort((a, b) => b - a)).toEqual(sorted.slice(0, count - zeros));
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });
});

describe('trim_scope: model refuses', () => {
  const { tunes, base } = split(family(1, exact));
  /** Elements that are not the base's. */
  const moved = (merged: Family[number]): number =>
    [...merged].reduce(
      (sum, [name, { values }]) => sum + values.filter((v, i) => v !== base.get(name)?.values[i]).length,
      0,
    );

  it('a density that keeps nothing of a model, unless min_keep is set for it', () => {
    const options = { method: 'ties', base, density: 1e-6, trimScope: 'model' } as const;
    expect(() => mergeModels(tunes, options)).toThrow(
      expect.objectContaining({
        code: 'ERR_EMPTY_DENSITY',
        message: expect.stringMatching(/of model 0 keeps none of \d+ elements in 5 tensors/),
        hint: expect.stringContaining('min_keep: 1'),
      }),
    );
    const merged = mergeModels(tunes, { ...options, minKeep: 3 });
    expect(moved(merged)).toBe(3);
  });

  it('values that are not finite, with their place, unless strict', () => {
    const broken = new Map(tunes[0]);
    const values = (broken.get('c.bias')?.values ?? new Float32Array(5)).slice();
    values[3] = Number.NaN;
    broken.set('c.bias', { shape: [5], values });
    const options = { method: 'ties', base, density: 0.5, trimScope: 'model' } as const;
    expect(() => mergeModels([broken], options)).toThrow(
      expect.objectContaining({ code: 'ERR_NONFINITE_INPUT', tensor: 'c.bias', index: 3 }),
    );
    // A NaN counts as the largest, and has no say in the election.
    const size = [...base.values()].reduce((sum, { values: x }) => sum + x.length, 0);
    expect(moved(mergeModels([broken], { ...options, strict: true }))).toBe(Math.trunc(size / 2) - 1);
  });

  it('a tensor by itself, whose threshold nobody knows', () => {
    const inputs = [randomTensor(9, 1), randomTensor(9, 2)];
    const context = contextOf({
      inputs,
      base: 1,
      perModel: { density: [0.5, 1] },
      global: { trim_scope: 1 },
    });
    expect(() => mergeInMemory(ties, context, inputs)).toThrow(
      expect.objectContaining({ code: 'ERR_TRIM_SCOPE', message: expect.stringContaining('layer.weight') }),
    );
  });
});

describe('MagnitudeCounter', () => {
  it('counts the same whenever its 32-bit counters are carried over', () => {
    const x = randomTensor(1000, 8);
    const none = new Float32Array(1000);
    const digit = new ThresholdSearch(1).next;
    if (digit === undefined) throw new Error('nothing to count');
    for (const kernels of backends) {
      const whole = new MagnitudeCounter(kernels, digit);
      whole.count(x, none);
      for (const capacity of [1, 7, 999, 1000, 1001]) {
        const counter = new MagnitudeCounter(kernels, digit, capacity);
        for (const [begin, end] of [
          [0, 17],
          [17, 18],
          [18, 1000],
        ] as const)
          counter.count(x.subarray(begin, end), none.subarray(begin, end));
        expect([...counter.totals()]).toEqual([...whole.totals()]);
      }
    }
    expect(new MagnitudeCounter(currentKernels(), digit).totals()).toEqual(new Uint32Array(1 << 13));
  });
});

describe('ThresholdSearch', () => {
  it('is exact beyond 2^32 elements of one digit', () => {
    const search = new ThresholdSearch(2 ** 34 + 5);
    const first = new Float64Array(1 << 13);
    first[4100] = 2 ** 33;
    first[4000] = 2 ** 35;
    search.tell(first);
    expect(search.next).toMatchObject({ prefix: 4000 });
    const second = new Float64Array(1 << 18);
    second[9] = 2 ** 33 + 4;
    second[3] = 2 ** 34;
    search.tell(second);
    expect(search.next).toBeUndefined();
    expect(search).toMatchObject({ bits: 4000 * 2 ** 18 + 3, ties: 1, takesAll: false });
  });

  it('deals equal magnitudes out in order', () => {
    expect(dealTies(5, [2, 0, 2, 4, 1])).toEqual([2, 0, 2, 1, 0]);
    expect(dealTies(2 ** 33 + 1, [2 ** 33, 7])).toEqual([2 ** 33, 1]);
  });
});
