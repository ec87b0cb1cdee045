// What every merge method keeps to, whatever its formula: chunks, back ends, symmetries, limits.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MergeMethod } from '../../../src/combine/merge/method.js';
import { findMergeMethod, mergeMethods } from '../../../src/combine/merge/registry.js';
import { createReference } from '../../../src/kernels/reference.js';
import { availableBackends } from '../../../src/kernels/select.js';
import { merge, mergeInChunks, randomTensor, settings, setupOf, tunedTensor } from './fixtures.js';

const backends = await availableBackends();

function method(name: string): MergeMethod {
  const found = findMergeMethod(name);
  if (!found) throw new Error(`no method ${name}`);
  return found;
}
const label = ({ name, global }: (typeof settings)[number]): string =>
  `${name} ${JSON.stringify(global ?? {})}`;

/** Largest difference, relative to the largest value. */
function distance(a: Float32Array, b: Float32Array): number {
  const scale = a.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-30);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0) / scale;
}

it('every method has a setting here', () => {
  expect([...new Set(settings.map(({ name }) => name))].sort()).toEqual(
    mergeMethods.map(({ name }) => name).sort(),
  );
});

describe('chunks', () => {
  const reference = createReference();
  for (const setting of settings) {
    it(`${label(setting)}: any chunks give the bits of the whole tensor, a small one`, () => {
      const setup = setupOf(setting, [37, 29], reference);
      const whole = merge(method(setting.name), setup);
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 1, max: 37 * 29 }), { maxLength: 6 }), (cuts) => {
          expect(mergeInChunks(method(setting.name), setup, cuts)).toEqual(whole);
        }),
        { numRuns: 12, seed: 3 },
      );
    });
    it(`${label(setting)}: any chunks give the bits of the whole tensor, one of several blocks`, () => {
      const setup = setupOf(setting, [211, 701]);
      const whole = merge(method(setting.name), setup);
      for (const cuts of [[65_536], [65_536, 131_072], [20_000, 20_001, 100_000], [147_910]])
        expect(mergeInChunks(method(setting.name), setup, cuts), `cuts ${cuts}`).toEqual(whole);
    });
  }
});

describe('back ends', () => {
  for (const setting of settings)
    it(`${label(setting)}: the same bits on all of them`, () => {
      const whole = merge(method(setting.name), setupOf(setting, [70, 1000], createReference()));
      expect(backends.length).toBeGreaterThan(1);
      for (const kernels of backends)
        expect(merge(method(setting.name), setupOf(setting, [70, 1000], kernels)), kernels.isa).toEqual(
          whole,
        );
    });
});

describe('symmetries', () => {
  const base = randomTensor(500, 50);
  const tuned = [1, 2, 3].map((k) => tunedTensor(base, k));
  const weights = [0.5, 1.25, 0.75];
  const withBase = [
    'task_arithmetic',
    'ties',
    'breadcrumbs',
    'breadcrumbs_ties',
    'sce',
    'ram',
    'ramplus_tl',
    'model_stock',
    'multislerp',
  ];
  const run = (name: string, order: number[], global: Record<string, number> = {}, scale = 1): Float32Array =>
    merge(method(name), {
      inputs: [...order.map((k) => tuned[k]), base],
      base: order.length,
      perModel: {
        weight: [...order.map((k) => weights[k] * scale), 0],
        density: [...order.map(() => 0.4), 1],
      },
      global,
    });

  for (const name of withBase)
    it(`${name}: the order of the models does not matter`, () => {
      const plain = run(name, [0, 1, 2]);
      for (const order of [
        [2, 1, 0],
        [1, 2, 0],
      ])
        expect(distance(run(name, order), plain)).toBeLessThan(1e-6);
    });

  for (const name of ['ties', 'della', 'task_arithmetic', 'multislerp'])
    it(`${name}: normalised weights may be scaled`, () => {
      const normalized = { normalize: 1, normalize_weights: 1 };
      expect(distance(run(name, [0, 1, 2], normalized, 4), run(name, [0, 1, 2], normalized))).toBeLessThan(
        1e-6,
      );
    });

  it('linear: identical models give the model, and it is linear in each input', () => {
    const [x, y] = [randomTensor(200, 1), randomTensor(200, 2)];
    const two = (a: Float32Array, b: Float32Array) =>
      merge(method('linear'), { inputs: [a, b], perModel: { weight: [1, 3] } });
    expect(two(x, x)).toEqual(x);
    const doubled = two(
      x.map((v) => 2 * v),
      y.map((v) => 2 * v),
    );
    expect(doubled).toEqual(two(x, y).map((v) => 2 * v));
  });

  for (const name of [
    'ties',
    'breadcrumbs_ties',
    'sce',
    'model_stock',
    'ram',
    'karcher',
    'slerp',
    'nuslerp',
    'multislerp',
  ])
    it(`${name}: identical models of full density give the model`, () => {
      const x = tuned[0];
      const lone = name === 'slerp';
      const copies = lone ? [x] : [x, x];
      const spherical = ['karcher', 'nuslerp', 'multislerp'].includes(name);
      const result = merge(method(name), {
        inputs: spherical ? copies : [...copies, lone ? x : base],
        base: spherical ? -1 : copies.length,
        perModel: { weight: [1, 1, 1], density: [1, 1, 1] },
        global: { t: 0.4, normalize: 1, epsilon: 1e-30 },
      });
      expect(distance(result, x)).toBeLessThan(1e-6);
    });

  for (const name of ['slerp', 'karcher', 'nuslerp', 'linear'])
    it(`${name}: inputs times a power of two give the result times it`, () => {
      const inputs = [randomTensor(300, 8), randomTensor(300, 9)];
      const once = (factor: number): Float32Array =>
        merge(method(name), {
          inputs: inputs.map((x) => x.map((v) => v * factor)),
          base: name === 'slerp' ? 0 : -1,
          perModel: { weight: [0.4, 0.6] },
          global: { t: 0.4 },
        });
      expect(
        distance(
          once(4),
          once(1).map((v) => 4 * v),
        ),
      ).toBeLessThan(1e-6);
    });
});

describe('limits', () => {
  const base = randomTensor(1000, 60);
  const tuned = [1, 2].map((k) => tunedTensor(base, k));
  const inputs = [...tuned, base];

  it('slerp: t = 0 gives the base and t = 1 the other, to the bit', () => {
    const at = (t: number) => merge(method('slerp'), { inputs: [tuned[0], base], base: 1, global: { t } });
    expect(at(0)).toEqual(base);
    expect(at(1)).toEqual(tuned[0]);
  });

  for (const name of [
    'task_arithmetic',
    'ties',
    'dare_linear',
    'dare_ties',
    'della',
    'breadcrumbs',
    'breadcrumbs_ties',
  ])
    it(`${name}: lambda = 0 gives the base, and so do weights of 0`, () => {
      const density = [0.5, 0.5, 1];
      const zero = merge(method(name), {
        inputs,
        base: 2,
        perModel: { weight: [1, 1, 0], density },
        global: { lambda: 0 },
      });
      expect(zero).toEqual(base);
      expect(merge(method(name), { inputs, base: 2, perModel: { weight: [0, 0, 0], density } })).toEqual(
        base,
      );
    });

  for (const name of ['task_arithmetic', 'ties', 'dare_ties', 'sce', 'ram', 'model_stock', 'breadcrumbs'])
    it(`${name}: without models the base comes back`, () => {
      const perModel = { weight: [0], density: [1] };
      expect(merge(method(name), { inputs: [base], base: 0, perModel })).toEqual(base);
    });

  it('task_arithmetic: a model added and taken away leaves the base, to the bit', () => {
    const perModel = { weight: [1, -1, 0] };
    expect(
      merge(method('task_arithmetic'), { inputs: [tuned[0], tuned[0], base], base: 2, perModel }),
    ).toEqual(base);
  });

  it('TIES with density 1, one model and lambda 1 gives the model within a rounding of the difference', () => {
    const result = merge(method('ties'), { inputs: [tuned[0], base], base: 1, perModel: { weight: [1, 0] } });
    expect(distance(result, tuned[0])).toBeLessThan(1e-7);
  });

  it('model_stock follows its formula for two vectors of a known angle, and clamps', () => {
    const zero = new Float32Array(2);
    const at60 = [Float32Array.of(1, 0), Float32Array.of(0.5, Math.sqrt(3) / 2), zero];
    // c = 1/2: t = 2c / (1 + c) = 2/3.
    const result = merge(method('model_stock'), { inputs: at60, base: 2 });
    expect(result[0]).toBeCloseTo(0.5, 6);
    expect(result[1]).toBeCloseTo(Math.sqrt(3) / 6, 6);
    const obtuse = [Float32Array.of(1, 0), Float32Array.of(-0.5, 0.6), zero];
    expect([...merge(method('model_stock'), { inputs: obtuse, base: 2 })]).toEqual([0, 0]);
    expect(merge(method('model_stock'), { inputs: obtuse, base: 2, strict: true })[1]).toBeLessThan(0);
  });

  it('model_stock does not pull small task vectors to the base, but in strict mode it does', () => {
    const tiny = [Float32Array.of(1e-6, 0), Float32Array.of(1e-6, 0), new Float32Array(2)];
    expect(merge(method('model_stock'), { inputs: tiny, base: 2 })[0]).toBeCloseTo(1e-6, 12);
    expect(merge(method('model_stock'), { inputs: tiny, base: 2, strict: true })[0]).toBeLessThan(1e-11);
  });
});
