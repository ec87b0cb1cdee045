/** Less common parts of the recipe language: references in long form, bases of slices, keys without effect, widths, odd integers. */
import { describe, expect, it } from 'vitest';
import type { ModelFacts, TensorFacts } from '../../../src/merge/planner/sources.js';
import { planText } from './golden.js';

const facts = (path: string, change: Record<string, TensorFacts> = {}, config: object = {}): ModelFacts => ({
  path,
  config: { architectures: ['Own'], num_hidden_layers: 1, vocab_size: 3, ...config },
  tensors: new Map<string, TensorFacts>(
    Object.entries({
      'embed_tokens.weight': { dtype: 'F32', shape: [3, 2] },
      'h.0.w': { dtype: 'F32', shape: [2, 2] },
      ...change,
    }),
  ),
});

describe('references in long form', () => {
  it('name path, revision and architecture', () => {
    const recipe =
      'merge_method: linear\nparameters: {weight: 1}\nmodels:\n' +
      '  - model: {model: {path: ./a, revision: main}, override_architecture: LlamaForCausalLM}\n  - model: b\n';
    const plan = planText(recipe, (path) =>
      facts(
        path,
        {
          'model.embed_tokens.weight': { dtype: 'F32', shape: [3, 2] },
          'model.norm.weight': { dtype: 'F32', shape: [2] },
        },
        { architectures: [`Of${path}`] },
      ),
    );
    expect(plan.models.map(({ reference }) => reference)).toEqual(['a@main', 'b']);
    // As Llama models they have no place for such tensors.
    expect(plan.warnings.join()).toMatch(
      /h\.0\.w is copied from a@main: the architecture has no place for it/,
    );
  });
});

describe('slices', () => {
  it('may have a base of their own, and a residual weight that changes nothing', () => {
    const range = 'layer_range: [0, 1]';
    const plan = planText(
      `merge_method: ties\nbase_model: b\nparameters: {weight: 1}\nslices:\n  - base_model: c\n    residual_weight: 0.3\n    sources: [{model: a, ${range}}, {model: c, ${range}}]\n` +
        `  - sources: [{model: a, ${range}}, {model: b, ${range}}]\n`,
      (path) => facts(path),
    );
    const bases = plan.outputs.map(({ name, inputs, base }) => [
      name,
      plan.models[inputs[base].model].reference,
    ]);
    expect(bases).toEqual([
      ['embed_tokens.weight', 'c'],
      ['h.0.w', 'c'],
      ['h.1.w', 'b'],
    ]);
    expect(plan.warnings).toContain('slices[0].residual_weight has no effect');
    expect(plan.config?.num_hidden_layers).toBe(2);
  });
});

describe('embeddings', () => {
  const two = 'merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n';
  const tokenizer = { tokens: new Map([['x', 0]]), added: [] };

  it('must agree in width, whatever the tokenizer', () => {
    const wide = { 'embed_tokens.weight': { dtype: 'F32', shape: [3, 4] } } as const;
    const of = (path: string) => ({ ...facts(path, path === 'b' ? wide : {}), tokenizer });
    expect(() => planText(`${two}tokenizer_source: union\n`, of)).toThrow(
      expect.objectContaining({ className: 'shape_mismatch', tensor: 'embed_tokens.weight', model: 'b' }),
    );
  });

  it('have as many rows as the vocabulary padded, in every method', () => {
    for (const method of ['karcher', 'multislerp', 'sce', 'ram', 'linear'])
      expect(
        planText(
          `merge_method: ${method}\n${method === 'sce' || method === 'ram' ? 'base_model: a\n' : ''}models: [{model: a}, {model: b}]\n` +
            `${/karcher|sce|ram/.test(method) ? '' : 'parameters: {weight: 1}\n'}tokenizer: {source: base, pad_to_multiple_of: 5}\n`,
          (path) => ({ ...facts(path), tokenizer }),
        ).outputs[0].shape,
      ).toEqual([5, 2]);
  });
});

describe('tensors of types without float values', () => {
  it('are copied where all models may hold the same, unsigned words too', () => {
    const plan = planText(
      'merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n',
      (path) => facts(path, { ids: { dtype: 'U32', shape: [4] } }),
    );
    const output = plan.outputs.find(({ name }) => name === 'ids');
    expect([output?.method, output?.dtype, output?.inputs.length]).toEqual([undefined, 'U32', 2]);
  });
});
