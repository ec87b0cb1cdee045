import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fisherMean, greedySoup, regMean } from '../../../src/combine/merge/data-driven-models.js';
import { fisherMean as fisherOfVectors } from '../../../src/combine/merge/fisher.js';
import type { NamedTensor } from '../../../src/combine/merge/models.js';
import { InvalidArgumentError, ShapeMismatchError } from '../../../src/errors.js';
import type { FlatModel, FlatTensor } from '../../../src/tensor/safetensors/flat-model.js';
import { readModel } from '../../../src/tensor/safetensors/flat-model.node.js';
import { randomTensor } from './fixtures.js';

const tensor = (shape: readonly number[], ...values: number[]): NamedTensor => ({
  shape,
  values: Float32Array.from(values),
});
const ids: FlatTensor = {
  dtype: 'I64',
  shape: [1],
  values: Float32Array.of(5),
  stored: Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0),
};

describe('Fisher-weighted averages of models', () => {
  const models = [1, 2].map((seed) => new Map([['w', tensor([2, 2], ...randomTensor(4, seed))]]));
  const fishers = [3, 4].map(
    (seed) => new Map([['w', tensor([2, 2], ...randomTensor(4, seed).map(Math.abs))]]),
  );

  it('are those of their tensors', () => {
    const got = fisherMean(models, { fishers, coefficients: [1, 3] }).get('w')?.values ?? [];
    for (const [i, value] of got.entries()) {
      const [f, g] = fishers.map((one) => Math.max(one.get('w')?.values[i] ?? 0, 1e-6));
      const [x, y] = models.map((one) => one.get('w')?.values[i] ?? 0);
      expect(value).toBeCloseTo((f * x + 3 * g * y) / (f + 3 * g), 6);
    }
  });

  it('divide by the norm of the whole Fisher information where asked', () => {
    const flat = models.map((one) => one.get('w')?.values ?? new Float32Array());
    const information = fishers.map((one) => one.get('w')?.values ?? new Float32Array());
    const norms = information.map((one) => Math.hypot(...one));
    const got = fisherMean(models, { fishers, normalize: true }).get('w')?.values;
    const want = fisherOfVectors(flat, information, { norms });
    for (const [i, value] of want.entries()) expect(got?.[i]).toBeCloseTo(value, 6);
  });

  it('carry integers over and say which Fisher information is missing', () => {
    const flat = models.map((one): FlatModel => {
      const w = one.get('w') ?? tensor([0]);
      return {
        tensors: new Map<string, FlatTensor>([
          ['w', { ...w, dtype: 'F32' as const }],
          ['ids', ids],
        ]),
      };
    });
    expect(fisherMean(flat, { fishers }).tensors.get('ids')).toBe(ids);
    expect(() => fisherMean(models, { fishers: [fishers[0], new Map()] })).toThrow(
      /Fisher information 1 of tensor w/,
    );
    expect(() => fisherMean(models, { fishers: [fishers[0]] })).toThrow(InvalidArgumentError);
  });
});

describe('RegMean of models', () => {
  it('solves the layers that have Gram matrices and averages the others', () => {
    const models = [
      new Map([
        ['fc.weight', tensor([1, 2], 1, 2)],
        ['fc.bias', tensor([1], 1)],
      ]),
      new Map([
        ['fc.weight', tensor([1, 2], 3, 6)],
        ['fc.bias', tensor([1], 3)],
      ]),
    ];
    // Inputs of one model excite the first feature, those of the other both alike: W (G1 + G2) = W1 G1 + W2 G2.
    const grams = [
      new Map([['fc', tensor([2, 2], 3, 0, 0, 1)]]),
      new Map([['fc', tensor([2, 2], 1, 0, 0, 1)]]),
    ];
    const merged = regMean(models, { grams, alpha: 1 });
    expect([...(merged.get('fc.weight')?.values ?? [])]).toEqual([(3 * 1 + 3) / 4, (2 + 6) / 2]);
    expect([...(merged.get('fc.bias')?.values ?? [])]).toEqual([2]);
    expect(() => regMean(models, { grams: [grams[0], new Map()] })).toThrow(ShapeMismatchError);
    expect(() => regMean(models, { grams: [] })).toThrow(InvalidArgumentError);
  });

  it('reports a layer that had to be made regular', () => {
    const models = [1, 2].map((seed) => new Map([['fc.weight', tensor([1, 2], ...randomTensor(2, seed))]]));
    const grams = models.map(() => new Map([['fc.weight', tensor([2, 2], 1, 1, 1, 1)]]));
    const told: string[] = [];
    regMean(models, { grams, alpha: 1, onRidge: (name) => told.push(name) });
    expect(told).toEqual(['fc.weight']);
  });
});

describe('greedy soup of models', () => {
  const flat = (...values: number[]): FlatModel => ({
    tensors: new Map<string, FlatTensor>([
      ['w', { dtype: 'F32', shape: [values.length], values: Float32Array.from(values) }],
      ['ids', ids],
    ]),
  });
  const target = [1, 1];
  const score = (model: FlatModel): number => {
    const values = model.tensors.get('w')?.values ?? [];
    return -target.reduce((sum, want, i) => sum + Math.abs(want - values[i]), 0);
  };

  it('takes in what raises the score, and gives models to the score', async () => {
    // The first two straddle the target; the third leads away.
    const { model, ingredients, trace } = await greedySoup([flat(2, 1), flat(5, 5), () => flat(0.5, 1)], {
      score,
    });
    expect(ingredients).toEqual([2, 0]);
    expect([...(model.tensors.get('w')?.values ?? [])]).toEqual([1.25, 1]);
    expect(model.tensors.get('ids')).toEqual(ids);
    expect(trace.steps.map(({ accepted }) => accepted)).toEqual([true, false]);
  });

  it('goes on from a trace', async () => {
    const models = [flat(2, 1), flat(0.5, 1), flat(5, 5)];
    const whole = await greedySoup(models, { score });
    let calls = 0;
    const rest = await greedySoup(models, {
      trace: { ...whole.trace, steps: whole.trace.steps.slice(0, 1) },
      score: (model) => {
        calls++;
        return score(model);
      },
    });
    expect(calls).toBe(1);
    expect(rest).toEqual(whole);
    await expect(greedySoup([], { score })).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(greedySoup([flat(1, 1), flat(1)], { score })).rejects.toBeInstanceOf(ShapeMismatchError);
  });
});

describe('golden cases of data-driven merging', () => {
  const golden = fileURLToPath(new URL('../../golden/merge/', import.meta.url));

  it.each(['fisher-2', 'fisher-2-allfloor', 'regmean-2', 'regmean-3-alpha1', 'regmean-diag'])(
    '%s is given for whole models',
    async (name) => {
      const read = (path: string): Promise<FlatModel> => readModel(`${golden}${name}/${path}`);
      const json = <T>(file: string): T => JSON.parse(readFileSync(`${golden}${name}/${file}`, 'utf8')) as T;
      const params = json<{
        coefficients: number[];
        alpha: number;
        fisher_floor: number;
        favor_target_model: boolean;
        normalize_fishers: boolean;
      }>('params.json');
      const { rtol, atol } = json<{ tolerance: { rtol: number; atol: number } }>('case.json').tolerance;
      const names = params.coefficients.map((_, k) => `m${k}`);
      const models = await Promise.all(names.map(read));
      const measured = (folder: string): Promise<FlatModel[]> =>
        Promise.all(names.map((m) => read(`${folder}/${m}.safetensors`)));
      const { coefficients, alpha } = params;
      const got = name.startsWith('fisher')
        ? fisherMean(models, {
            fishers: await measured('fisher'),
            coefficients,
            floor: params.fisher_floor,
            favorTarget: params.favor_target_model,
            normalize: params.normalize_fishers,
          })
        : regMean(models, { grams: await measured('grams'), coefficients, alpha });
      const expected = await read('expected');
      expect([...got.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
      for (const [tensor, { values }] of expected.tensors)
        for (const [i, want] of values.entries())
          expect(Math.abs((got.tensors.get(tensor)?.values[i] ?? Number.NaN) - want)).toBeLessThanOrEqual(
            atol + rtol * Math.abs(want),
          );
    },
  );
});
