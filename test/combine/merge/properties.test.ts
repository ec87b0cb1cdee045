// Symmetries of the merge methods over random tensors, weights and orders; each holds by the formula, whatever the implementation.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MergeMethod } from '../../../src/combine/merge/method.js';
import { findMergeMethod } from '../../../src/combine/merge/registry.js';
import { merge, randomTensor } from './fixtures.js';

const RUNS = { numRuns: 40, seed: 17 };

function method(name: string): MergeMethod {
  const found = findMergeMethod(name);
  if (!found) throw new Error(`no method ${name}`);
  return found;
}

const largest = (x: Float32Array): number => x.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
/** Largest difference, in units of the largest value. */
function distance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0) / largest(b);
}

interface Sample {
  base: Float32Array;
  models: Float32Array[];
  weights: number[];
  /** Permutation of the models. */
  order: number[];
  /** Permutation of the elements. */
  shuffle: number[];
}

const permutation = (n: number): fc.Arbitrary<number[]> => {
  const all = Array.from({ length: n }, (_, i) => i);
  return fc.shuffledSubarray(all, { minLength: n, maxLength: n });
};

/** 2 to 4 fine-tunes of a base of 3 to 200 elements, all magnitudes of differences distinct. */
const sample: fc.Arbitrary<Sample> = fc
  .record({ n: fc.integer({ min: 3, max: 200 }), count: fc.integer({ min: 2, max: 4 }), seed: fc.nat(1e6) })
  .chain(({ n, count, seed }) =>
    fc
      .record({
        weights: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: count, maxLength: count }),
        order: permutation(count),
        shuffle: permutation(n),
      })
      .map(({ weights, order, shuffle }) => {
        const base = randomTensor(n, seed);
        const models = weights.map((_, k) => {
          const step = randomTensor(n, seed + k + 1, 0.1);
          return base.map((v, i) => v + step[i]);
        });
        return { base, models, weights: weights.map((w) => w / 8), order, shuffle };
      }),
  );

/** How a method takes the models: with the base behind them, without one, or just one model and the base. */
const METHODS: Readonly<Record<string, { base: boolean; one?: boolean; global?: Record<string, number> }>> = {
  linear: { base: false },
  uniform_soup: { base: false },
  karcher: { base: false, global: { max_iter: 50, tol: 1e-9 } },
  multislerp: { base: true },
  task_arithmetic: { base: true },
  ties: { base: true, global: { normalize: 1 } },
  breadcrumbs: { base: true, global: { normalize: 1 } },
  breadcrumbs_ties: { base: true },
  sce: { base: true, global: { select_topk: 0.5 } },
  ram: { base: true },
  ramplus_tl: { base: true },
  model_stock: { base: true },
  slerp: { base: true, one: true, global: { t: 0.3 } },
  nearswap: { base: true, one: true, global: { t: 0.01 } },
};

function run(
  name: string,
  { base, models, weights }: Sample,
  global: Record<string, number> = {},
): Float32Array {
  const how = METHODS[name];
  const chosen = how.one ? models.slice(0, 1) : models;
  return merge(method(name), {
    inputs: how.base ? [...chosen, base] : chosen,
    base: how.base ? chosen.length : -1,
    perModel: {
      weight: [...weights.slice(0, chosen.length), 0],
      density: [...chosen.map(() => 0.6), 1],
      gamma: [...chosen.map(() => 0.1), 0],
    },
    global: { ...how.global, ...global },
  });
}

const reordered = <T>(list: readonly T[], order: readonly number[]): T[] => order.map((k) => list[k]);
const shuffled = (x: Float32Array, order: readonly number[]): Float32Array =>
  Float32Array.from(order, (i) => x[i]);

describe('the order of the models, with their weights, changes nothing', () => {
  it.each(Object.keys(METHODS).filter((name) => !METHODS[name].one))('%s', (name) => {
    fc.assert(
      fc.property(sample, (s) => {
        const other = { ...s, models: reordered(s.models, s.order), weights: reordered(s.weights, s.order) };
        expect(distance(run(name, other), run(name, s))).toBeLessThan(1e-6);
      }),
      RUNS,
    );
  });
});

describe('the order of the elements is kept', () => {
  // Statistics are sums, which come out a rounding apart in another order.
  it.each(Object.keys(METHODS))('%s', (name) => {
    fc.assert(
      fc.property(sample, (s) => {
        const other = {
          ...s,
          base: shuffled(s.base, s.shuffle),
          models: s.models.map((x) => shuffled(x, s.shuffle)),
        };
        expect(distance(run(name, other), shuffled(run(name, s), s.shuffle))).toBeLessThan(2e-6);
      }),
      RUNS,
    );
  });
});

describe('normalised weights may be scaled', () => {
  it.each([
    ['linear', 'normalize'],
    ['task_arithmetic', 'normalize'],
    ['ties', 'normalize'],
    ['breadcrumbs', 'normalize'],
    ['multislerp', 'normalize_weights'],
  ])('%s', (name, key) => {
    fc.assert(
      fc.property(sample, fc.double({ min: 0.01, max: 100, noNaN: true }), (s, factor) => {
        const other = { ...s, weights: s.weights.map((w) => w * factor) };
        expect(distance(run(name, other, { [key]: 1 }), run(name, s, { [key]: 1 }))).toBeLessThan(1e-6);
      }),
      RUNS,
    );
  });
});

describe('models that are all alike are the result', () => {
  const alike = Object.keys(METHODS).filter((name) => !/breadcrumbs|ram|nearswap|sce|ties/.test(name));
  it.each(alike)('%s', (name) => {
    fc.assert(
      fc.property(sample, (s) => {
        const [model] = s.models;
        const same = {
          ...s,
          models: s.models.map(() => model),
          ...(METHODS[name].one ? { base: model } : {}),
        };
        const result = run(name, same, { normalize: 1 });
        expect(distance(result, model)).toBeLessThan(1e-6);
      }),
      RUNS,
    );
  });
});

describe('task vectors', () => {
  const perModel = (weights: readonly number[]) => ({ weight: [...weights, 0] });
  const add = (
    base: Float32Array,
    models: readonly Float32Array[],
    weights: readonly number[],
  ): Float32Array =>
    merge(method('task_arithmetic'), {
      inputs: [...models, base],
      base: models.length,
      perModel: perModel(weights),
    });

  it('add up: a sum of two is one after the other', () => {
    fc.assert(
      fc.property(sample, ({ base, models: [a, b] }) => {
        const both = add(base, [a, b], [0.5, 0.25]);
        const step = add(base, [a], [0.5]);
        // b seen from the new base: the same task vector.
        const moved = b.map((v, i) => v - base[i] + step[i]);
        expect(distance(add(step, [moved], [0.25]), both)).toBeLessThan(5e-7);
      }),
      RUNS,
    );
  });

  it('are taken away again by their negative: the base to the bit at once, within an ulp of the sum after a store', () => {
    fc.assert(
      fc.property(sample, ({ base, models: [a] }) => {
        expect(add(base, [a, a], [1, -1])).toEqual(base);
        const applied = add(base, [a], [1]);
        const back = add(applied, [a.map((v, i) => v - base[i] + applied[i])], [-1]);
        back.forEach((v, i) => {
          const ulp =
            2 **
            (Math.floor(Math.log2(Math.max(Math.abs(applied[i]), Math.abs(a[i]), Math.abs(base[i])))) - 22);
          expect(Math.abs(v - base[i])).toBeLessThanOrEqual(ulp);
        });
      }),
      RUNS,
    );
  });

  it('are linear in lambda and in the weights', () => {
    fc.assert(
      fc.property(sample, (s) => {
        const once = run('task_arithmetic', s, { lambda: 0.5 });
        const halves = run('task_arithmetic', { ...s, weights: s.weights.map((w) => w / 2) });
        expect(distance(once, halves)).toBeLessThan(1e-7);
      }),
      RUNS,
    );
  });
});

describe('random masks', () => {
  // A mask is addressed by seed, name of the tensor and place of the model in the recipe: so models that change places change masks.
  it('follow the place of a model, not its values', () => {
    const base = new Float32Array(256);
    const one = base.map(() => 1);
    const masks = (inputs: Float32Array[], weights: number[], seed: number): boolean[] =>
      Array.from(
        merge(method('dare_linear'), {
          inputs: [...inputs, base],
          base: inputs.length,
          seed,
          perModel: { weight: [...weights, 0], density: inputs.map(() => 0.5) },
          global: { rescale: 0 },
        }),
        (v) => v !== 0,
      );
    const first = masks([one, base], [1, 1], 3);
    const second = masks([base, one], [1, 1], 3);
    expect(first).not.toEqual(second);
    expect(masks([one.map((v) => 5 * v), base], [1, 1], 3)).toEqual(first);
    expect(masks([one, base], [1, 1], 4)).not.toEqual(first);
  });
});
