import { describe, expect, it } from 'vitest';
import { MergeMethodError } from '../../../src/combine/merge/errors.js';
import * as functions from '../../../src/combine/merge/functions.js';
import { mergeModels } from '../../../src/combine/merge/in-memory.js';
import type { MergeMethodName } from '../../../src/combine/merge/method-options.js';
import { ModelMismatchError, type NamedTensor } from '../../../src/combine/merge/models.js';
import { mergeMethods } from '../../../src/combine/merge/registry.js';
import { InvalidArgumentError, ShapeMismatchError } from '../../../src/errors.js';
import type { FlatModel } from '../../../src/tensor/safetensors/flat-model.js';
import { merge, settings, setupOf } from './fixtures.js';

const { ema, interpolate, linear, slerp, ties } = functions;
const a = Float32Array.of(1, 0);
const b = Float32Array.of(0, 1);
const half: FlatModel = {
  tensors: new Map([
    ['w', { dtype: 'F16', shape: [2], values: Float32Array.of(1, 2) }],
    [
      'steps',
      { dtype: 'I64', shape: [], values: Float32Array.of(7), stored: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0) },
    ],
  ]),
  metadata: { origin: 'here' },
  config: { layers: 1 },
};
const withTensor = (name: string, change: object): FlatModel => {
  const tensors = new Map(half.tensors);
  const tensor = tensors.get(name);
  if (tensor) tensors.set(name, { ...tensor, ...change });
  return { ...half, tensors };
};

describe('models in memory', () => {
  it('interpolates two on the circle', () => {
    const middle = slerp(a, b, { t: 0.5 });
    expect(middle[0]).toBeCloseTo(Math.SQRT1_2, 7);
    expect(middle[1]).toBeCloseTo(Math.SQRT1_2, 7);
    expect([...slerp(a, b, { t: 0 })]).toEqual([1, 0]);
  });

  it('averages by weight', () => {
    expect([...linear([a, b], { weight: [1, 3] })]).toEqual([0.25, 0.75]);
    expect([...linear([a, b], { weight: [1, 3], normalize: false })]).toEqual([1, 3]);
    expect([...interpolate(a, b, { t: 0.25 })]).toEqual([0.75, 0.25]);
    expect([...ema(a, b, { decay: 0.75 })]).toEqual([0.75, 0.25]);
    expect(() => ema(a, b, { decay: 1.5 })).toThrow(/from 0 to 1/);
  });

  it('merges tensors by name, each for itself', () => {
    const model = (scale: number): ReadonlyMap<string, NamedTensor> =>
      new Map([
        ['w', { shape: [1, 2], values: Float32Array.of(scale, 2 * scale) }],
        ['b', { shape: [1], values: Float32Array.of(-scale) }],
      ]);
    const merged = mergeModels([model(3), model(5)], {
      method: 'task_arithmetic',
      base: model(1),
      weight: [1, 0.5],
      lambda: 2,
    });
    // 1 + 2 (2 + 0.5 * 4) = 9.
    expect([...merged.keys()]).toEqual(['w', 'b']);
    expect([...(merged.get('w')?.values ?? [])]).toEqual([9, 18]);
    expect([...(merged.get('b')?.values ?? [])]).toEqual([-9]);
  });

  it('keeps the type, the configuration and the integers of what readModel gives', () => {
    const merged = slerp(half, withTensor('w', { values: Float32Array.of(3, 6) }), { t: 0.5 });
    // Parallel vectors take the straight line.
    expect(merged.tensors.get('w')).toEqual({ dtype: 'F16', shape: [2], values: Float32Array.of(2, 4) });
    expect(merged.tensors.get('steps')).toEqual(half.tensors.get('steps'));
    expect(merged.config).toEqual({ layers: 1 });
    // Where it came from is not where this comes from.
    expect(merged.metadata).toBeUndefined();
    const wider = withTensor('w', { dtype: 'F32' });
    expect(linear([half, wider]).tensors.get('w')?.dtype).toBe('F32');
    expect(ties([wider], { base: half }).tensors.get('w')?.dtype).toBe('F16');
    // Half-way on the line to a value that float16 does not have: it is taken as it is.
    const finer = withTensor('w', { dtype: 'F32', values: Float32Array.of(1 + 2 ** -12, 2 + 2 ** -11) });
    expect(slerp(half, finer, { t: 0.5 }).tensors.get('w')).toEqual({
      ...{ dtype: 'F16', shape: [2] },
      values: Float32Array.of(1 + 2 ** -13, 2 + 2 ** -12),
    });
  });

  it('tells the ratio of each tensor', () => {
    const told: [string, number][] = [];
    const base = Float32Array.of(0, 0, 1);
    functions.modelStock([Float32Array.of(1, 0, 1), Float32Array.of(0, 1, 1)], {
      base,
      onTensor: (tensor, { t }) => told.push([tensor, t]),
    });
    // Orthogonal task vectors: t = 2c / (1 + c) = 0.
    expect(told).toEqual([['model', 0]]);
  });

  it('says what is wrong', () => {
    const wrong = (method: string, options: object = {}): unknown =>
      mergeModels([a, b], { method: method as 'linear', ...options });
    expect(() => wrong('tais')).toThrow(/ties/);
    expect(() => wrong('slrep')).toThrow(/did you mean "slerp"/);
    expect(() => wrong('ties')).toThrow(/base/);
    expect(() => wrong('linear', { weihgt: 1 })).toThrow(/did you mean "weight"/);
    expect(() => wrong('linear', { weihgt: 1 })).toThrow(InvalidArgumentError);
    expect(() => wrong('linear', { weight: [1] })).toThrow(/2 of them/);
    expect(() => wrong('linear', { weight: '1' })).toThrow(/a number/);
    expect(() => wrong('linear', { base: a })).toThrow(/among the models/);
    expect(() => wrong('slerp', { base: b, t: 1 })).toThrow(/1 model,/);
    expect(() => mergeModels([a], { method: 'slerp', base: b } as never)).toThrow(/parameter t/);
    expect(() => linear([a, Float32Array.of(1)])).toThrow(ShapeMismatchError);
    expect(() => linear([a, new Map() as never])).toThrow(/of one kind/);
    expect(() => linear([])).toThrow(/1 or more models, received 0/);
  });

  it('has options that the compiler checks', () => {
    const base = Float32Array.of(0, 0);
    // @ts-expect-error a misspelt option
    expect(() => ties([a, b], { base, densty: 0.5 })).toThrow(/did you mean "density"/);
    // @ts-expect-error an option of another method
    expect(() => linear([a, b], { density: 0.5 })).toThrow(/an option/);
    // @ts-expect-error a method without its base
    expect(() => mergeModels([a, b], { method: 'ties' })).toThrow(/base/);
    // Recipes' spelling is taken where no compiler looks.
    const options = { method: 'ties', base, density: 0.1, min_keep: 1 } as const;
    expect([...mergeModels([a, b], options)]).toEqual([1, 1]);
  });

  it('names the tensor and the model that do not fit', () => {
    const thrown = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return error;
      }
    };
    const lacks = { tensors: new Map([...half.tensors].slice(1)) };
    expect(thrown(() => linear([half, lacks]))).toMatchObject({
      code: 'ERR_MERGE_MISSING_TENSOR',
      tensor: 'w',
      model: 'model 1',
    });
    expect(thrown(() => linear([lacks, half]))).toBeInstanceOf(ModelMismatchError);
    expect(thrown(() => linear([half, withTensor('w', { shape: [2, 1] })]))).toMatchObject({
      code: 'ERR_SHAPE_MISMATCH',
      message: expect.stringContaining('tensor w of model 1'),
    });
    expect(thrown(() => linear([withTensor('w', { shape: [3] })]))).toMatchObject({
      message: expect.stringContaining('tensor w of model 0'),
    });
    const other = withTensor('steps', { stored: Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0) });
    expect(thrown(() => linear([half, other]))).toMatchObject({
      code: 'ERR_MERGE_UNSUPPORTED_DTYPE',
      tensor: 'steps',
      model: 'model 1',
    });
  });

  it('refuses a result that is not finite, or that the type of a tensor cannot hold', () => {
    const infinite = Float32Array.of(1, Number.POSITIVE_INFINITY);
    expect(() => linear([a, infinite])).toThrow(MergeMethodError);
    expect(() => linear([a, infinite])).toThrow(/element 1 of the result is Infinity/);
    expect(linear([a, infinite], { strict: true })[1]).toBe(Number.POSITIVE_INFINITY);
    const large = withTensor('w', { values: Float32Array.of(60_000, 0) });
    expect(() => linear([large, large], { normalize: false })).toThrow(/its type cannot hold/);
  });
});

describe('every method', () => {
  const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

  it('has a function of its name', () => {
    const named = mergeMethods.map(({ name }) => camel(name));
    for (const name of named) expect(Object.keys(functions)).toContain(name);
    expect(Object.keys(functions).filter((name) => !named.includes(name))).toEqual(['interpolate', 'ema']);
  });

  it.each(
    settings.map((setting) => ({
      ...setting,
      label: `${setting.name} ${JSON.stringify(setting.global ?? {})}`,
    })),
  )('$label is the same by its function and with settled parameters', (setting) => {
    const setup = setupOf(setting, [3, 50]);
    const wanted = merge(mergeMethods.find(({ name }) => name === setting.name) as never, {
      ...setup,
      tensor: 'model',
      seed: 11,
    });
    const base = setting.base ? setup.inputs.at(-1) : undefined;
    const models = setting.base ? setup.inputs.slice(0, -1) : setup.inputs;
    const known = mergeMethods.find(({ name }) => name === setting.name)?.parameters ?? [];
    const options: Record<string, unknown> = { base, seed: 11 };
    for (const { name, type } of known) {
      const each = setup.perModel?.[name]?.slice(0, models.length);
      const value = setting.global?.[name];
      if (each) options[camel(name)] = each;
      if (value !== undefined) options[camel(name)] = type === 'boolean' ? value !== 0 : value;
    }
    if (base === undefined) delete options.base;
    const tensor = new Map([['model', { shape: [3, 50], values: models[0] }]]);
    const asMap = (values: Float32Array): typeof tensor => new Map([['model', { shape: [3, 50], values }]]);
    if (base) options.base = asMap(base);
    const merged = mergeModels(models.map(asMap), {
      method: setting.name as MergeMethodName,
      ...options,
    } as never) as typeof tensor;
    expect(merged.get('model')?.values).toEqual(wanted);
  });
});
