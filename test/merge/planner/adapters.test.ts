import { describe, expect, it } from 'vitest';
import type { ModelFacts, TensorFacts } from '../../../src/merge/planner/sources.js';
import { planText } from './golden.js';

const RECIPE =
  'merge_method: linear\nmodels: [{model: m+lora, parameters: {weight: 1}}, {model: m, parameters: {weight: 1}}]\n';
const PREFIX = 'base_model.model.';

function facts(
  tensors: Record<string, readonly number[]>,
  config: Record<string, unknown> = { peft_type: 'LORA', r: 2, lora_alpha: 6 },
): () => ModelFacts {
  const entries = (shapes: Record<string, readonly number[]>) =>
    new Map(
      Object.entries(shapes).map(([name, shape]): [string, TensorFacts] => [name, { dtype: 'F32', shape }]),
    );
  return () => ({
    path: '/m',
    config: { architectures: ['Own'] },
    tensors: entries({ 'h.0.q.weight': [4, 3], 'h.0.mlp.weight': [3, 3], 'head.weight': [5, 3] }),
    adapter: { path: '/lora', tensors: entries(tensors), config },
  });
}

const LOW = { [`${PREFIX}h.0.q.lora_A.weight`]: [2, 3], [`${PREFIX}h.0.q.lora_B.weight`]: [4, 2] };

// A model without "+lora" is opened without its adapter.
const plan = (make: () => ModelFacts) => {
  let first = true;
  return planText(RECIPE, () => {
    const { adapter, ...model } = make();
    const both = first ? { ...model, adapter } : model;
    first = false;
    return both;
  });
};

describe('adapters', () => {
  it('are terms of the tensors they change: alpha / r times B A', () => {
    const { outputs, models } = plan(facts({ ...LOW, [`${PREFIX}head.modules_to_save.weight`]: [5, 3] }));
    expect(models).toEqual([
      { reference: 'm+lora', path: '/m' },
      { reference: 'lora', path: '/lora', adapter: { of: 0 } },
      { reference: 'm', path: '/m' },
    ]);
    const inputsOf = (name: string) => outputs.find((output) => output.name === name)?.inputs;
    const [changed, plain] = inputsOf('h.0.q.weight') ?? [];
    expect(changed.adapter).toEqual({
      model: 1,
      a: `${PREFIX}h.0.q.lora_A.weight`,
      b: `${PREFIX}h.0.q.lora_B.weight`,
      rank: 2,
      scale: 3,
      transposed: false,
    });
    expect(plain.adapter).toBeUndefined();
    expect(inputsOf('h.0.mlp.weight')?.[0].adapter).toBeUndefined();
    expect(inputsOf('head.weight')?.[0]).toMatchObject({
      model: 1,
      name: `${PREFIX}head.modules_to_save.weight`,
    });
  });

  it('scale by the root of the rank when they are rank-stabilised, and by module where a pattern says so', () => {
    const scaleOf = (config: Record<string, unknown>) =>
      plan(facts(LOW, { lora_alpha: 6, ...config })).outputs.find(({ name }) => name === 'h.0.q.weight')
        ?.inputs[0].adapter?.scale;
    expect(scaleOf({ use_rslora: true })).toBeCloseTo(6 / Math.SQRT2, 12);
    expect(scaleOf({ alpha_pattern: { q: 2 } })).toBe(1);
    expect(scaleOf({ alpha_pattern: { 'h.1.q': 9, 'h\\.\\d+\\.(?:k|q)': 4 } })).toBe(2);
    expect(scaleOf({ alpha_pattern: { '^q': 9, '^h.*q$': 8 } })).toBe(4);
    expect(scaleOf({ r: 7, rank_pattern: { q: 2 } })).toBe(3);
    expect(scaleOf({ lora_alpha: undefined })).toBe(4);
  });

  for (const [what, make, message] of [
    [
      'without a place',
      facts({ [`${PREFIX}x.lora_A.weight`]: [2, 3], [`${PREFIX}x.lora_B.weight`]: [4, 2] }),
      /no place/,
    ],
    ['without a partner', facts({ [`${PREFIX}h.0.q.lora_A.weight`]: [2, 3] }), /no partner/],
    ['without the other partner', facts({ [`${PREFIX}h.0.q.lora_B.weight`]: [4, 2] }), /no partner/],
    ['without tensors', facts({}), /no tensors/],
    ['of another rank than they say', facts(LOW, { r: 4 }), /rank 2.*says 4/],
    [
      'with patterns that take long to match',
      facts(LOW, { alpha_pattern: { '(a+)+$': 1 } }),
      /regular expression/,
    ],
    ['without a number for alpha', facts(LOW, { lora_alpha: 'big' }), /lora_alpha/],
    ['of other shapes', facts({ ...LOW, [`${PREFIX}h.0.q.lora_B.weight`]: [5, 2] }), /do not make/],
    ['of another kind', facts(LOW, { peft_type: 'IA3' }), /not LORA/],
    ['with magnitudes', facts(LOW, { use_dora: true }), /DoRA/],
  ] as const)
    it(`${what} are refused`, () => {
      expect(() => plan(make)).toThrow(expect.objectContaining({ className: 'bad_adapter' }));
      expect(() => plan(make)).toThrow(message);
    });
});
