import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReference } from '../../../src/kernels/reference.js';
import { MergeError } from '../../../src/merge/errors.js';
import { checkMethods } from '../../../src/merge/planner/context.js';
import type { PlanOptions } from '../../../src/merge/planner/planner.js';
import type { ModelFacts, TensorFacts } from '../../../src/merge/planner/sources.js';
import { planText } from './golden.js';

const LAYER = ['attn.weight', 'mlp.weight'];

/** A decoder of an architecture that nobody knows: its tensors are inferred from their names. */
function model(path: string, layers = 2, change: Record<string, TensorFacts | undefined> = {}): ModelFacts {
  const tensors = new Map<string, TensorFacts>([
    ['embed_tokens.weight', { dtype: 'F32', shape: [10, 4] }],
    ...Array.from({ length: layers }, (_, i) =>
      LAYER.map((name): [string, TensorFacts] => [`h.${i}.${name}`, { dtype: 'F32', shape: [4, 4] }]),
    ).flat(),
    ['norm.weight', { dtype: 'F32', shape: [4] }],
  ]);
  for (const [name, facts] of Object.entries(change))
    if (facts === undefined) tensors.delete(name);
    else tensors.set(name, facts);
  const config = { architectures: ['OwnModel'], n_layer: layers, vocab_size: 10, torch_dtype: 'float32' };
  return { path, tensors, config };
}

const plan = (text: string, options: Partial<PlanOptions> = {}, of: (path: string) => ModelFacts = model) =>
  planText(text, (path) => of(path), options);

function errorOf(...args: Parameters<typeof plan>): MergeError {
  try {
    plan(...args);
  } catch (error) {
    if (error instanceof MergeError) return error;
    throw error;
  }
  throw new Error('the recipe was planned');
}

const entries = (...names: string[]) => `models: [${names.map((name) => `{model: ${name}}`).join(', ')}]\n`;

describe('precedence', () => {
  it('gives a per-model parameter the value of the first scope that has one for the tensor', () => {
    const scope = fc.option(
      fc.record({
        filter: fc.constantFrom(undefined, 'attn', 'mlp'),
        value: fc.integer({ min: 1, max: 99 }),
      }),
      { nil: undefined },
    );
    const written = (one: { filter?: string; value: number } | undefined) =>
      one === undefined
        ? '{}'
        : `{weight: [{value: ${one.value}${one.filter ? `, filter: ${one.filter}` : ''}}]}`;
    fc.assert(
      fc.property(scope, scope, (entry, slice) => {
        const got = plan(
          `merge_method: linear\nslices:\n  - sources: [{model: a, layer_range: [0, 2], parameters: ${written(entry)}}]\n` +
            `    parameters: ${written(slice)}\nparameters: {weight: 100}\n`,
        );
        expect(got.outputs).toHaveLength(6);
        for (const { name, perModel } of got.outputs) {
          const applying = [entry, slice].find(
            (one) => one !== undefined && (one.filter === undefined || name.includes(one.filter)),
          );
          expect(perModel.weight).toEqual([applying?.value ?? 100]);
        }
      }),
    );
  });

  it('reads filters of per-model parameters by the input name and of global ones by the output name', () => {
    const { outputs } = plan(
      'merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 1]}]}, {sources: [{model: a, layer_range: [0, 1]}]}]\n' +
        'parameters:\n  weight: [{filter: h.0., value: 3}, {value: 5}]\n  normalize: [{filter: h.0., value: true}, {value: false}]\n',
    );
    const second = outputs.find(({ name }) => name === 'h.1.attn.weight');
    expect(second?.inputs[0].name).toBe('h.0.attn.weight');
    expect(second?.perModel.weight).toEqual([3]);
    expect(second?.global.normalize).toBe(0);
  });

  it('runs gradients over the layers and gives what is before and behind them the first element', () => {
    const { outputs } = plan(
      'merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: [1, 3]}\n',
      {},
      (p) => model(p, 3),
    );
    expect(outputs.map(({ name, perModel }) => [name, perModel.weight[0]])).toEqual([
      ['embed_tokens.weight', 1],
      ['h.0.attn.weight', 1],
      ['h.0.mlp.weight', 1],
      ['h.1.attn.weight', 2],
      ['h.1.mlp.weight', 2],
      ['h.2.attn.weight', 3],
      ['h.2.mlp.weight', 3],
      ['norm.weight', 1],
    ]);
  });

  it("warns of a global parameter in a model entry, of another method's, and of filters without a tensor", () => {
    const { warnings } = plan(
      'merge_method: linear\nmodels: [{model: a, parameters: {weight: [{filter: atn, value: 1}, {value: 2}], normalize: false}}]\nparameters: {density: 1}\n',
    );
    expect(warnings).toEqual([
      expect.stringContaining('parameters.density has no effect: linear'),
      expect.stringContaining('models[0].parameters.normalize'),
      expect.stringContaining('filter "atn"'),
    ]);
  });

  it('refuses parameters that no method knows', () => {
    const error = errorOf(
      'merge_method: ties\nbase_model: b\nmodels: [{model: a, parameters: {wieght: 1}}]\n',
    );
    expect(error).toMatchObject({ className: 'unknown_key', recipePath: 'models[0].parameters.wieght' });
    expect(error.hint).toBe('did you mean "weight"?');
  });
});

describe('numbers of models and bases', () => {
  for (const [text, className] of [
    [`merge_method: slerp\n${entries('a', 'b')}parameters: {t: 0.5}\n`, 'missing_base_model'],
    [`merge_method: slerp\nbase_model: c\n${entries('a', 'b')}parameters: {t: 0.5}\n`, 'too_many_models'],
    [`merge_method: slerp\nbase_model: a\n${entries('a')}parameters: {t: 0.5}\n`, 'too_few_models'],
    [`merge_method: model_stock\nbase_model: b\n${entries('a')}`, 'too_few_models'],
    [`merge_method: nuslerp\nbase_model: a\n${entries('a', 'b')}parameters: {weight: 1}\n`, 'too_few_models'],
    [`merge_method: passthrough\n${entries('a', 'b')}`, 'too_many_models'],
    [`merge_method: passthrough\nbase_model: b\n${entries('a')}`, 'too_many_models'],
    [
      'merge_method: linear\nbase_model: b\nmodels: [{model: a, parameters: {weight: 1}}]\n',
      'missing_parameter',
    ],
    [
      'merge_method: ties\nbase_model: b\nparameters: {weight: 1}\nslices: [{sources: [{model: a, layer_range: [0, 2]}]}]\n',
      'missing_base_model',
    ],
  ] as const)
    it(`${className}: ${text.replaceAll('\n', '; ')}`, () => expect(errorOf(text).className).toBe(className));

  it('warns of slices that leave out a base which the method could use', () => {
    const sources = '[{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 2]}]';
    const text = `merge_method: nuslerp\nbase_model: c\nparameters: {weight: 1}\nslices: [{sources: ${sources}}]\n`;
    const { warnings, outputs } = plan(text);
    expect(warnings).toEqual(['slices[0]: merged without the base c, which is not among the sources']);
    expect(outputs.every(({ base }) => base === -1)).toBe(true);
  });

  it('appends a base that is not listed, without a weight of its own', () => {
    const { outputs, models } = plan(
      'merge_method: ties\nbase_model: b\nmodels: [{model: a, parameters: {weight: 2}}]\n',
    );
    expect(models.map(({ reference }) => reference)).toEqual(['a', 'b']);
    for (const { base, perModel } of outputs) {
      expect(base).toBe(1);
      expect(perModel.weight).toEqual([2, 0]);
    }
  });
});

describe('tensors that do not line up', () => {
  const both = `merge_method: linear\n${entries('a', 'b')}parameters: {weight: 1}\n`;
  const second = (change: Record<string, TensorFacts | undefined>) => (path: string) =>
    path === 'b' ? model(path, 2, change) : model(path);

  it('are listed together when they are missing', () => {
    const error = errorOf(both, {}, second({ 'h.0.mlp.weight': undefined, 'norm.weight': undefined }));
    expect(error).toMatchObject({ className: 'missing_tensor', model: 'b' });
    expect(error.message).toMatch(/h\.0\.mlp\.weight/);
    expect(error.message).toMatch(/norm\.weight/);
  });

  it('of embeddings are a vocabulary mismatch, cut when allowed', () => {
    const of = second({ 'embed_tokens.weight': { dtype: 'F32', shape: [8, 4] } });
    const error = errorOf(both, {}, of);
    expect(error).toMatchObject({ className: 'vocab_mismatch', tensor: 'embed_tokens.weight' });
    expect(error.is('shape_mismatch')).toBe(true);
    const cut = plan(both, { allowSubmatrix: true }, of);
    expect(cut.outputs[0].shape).toEqual([8, 4]);
    expect(cut.outputs[0].inputs.map(({ rows }) => rows)).toEqual([
      { kind: 'cut', shape: [8, 4] },
      undefined,
    ]);
    expect(cut.config?.vocab_size).toBe(8);
    expect(plan(both, { strict: true }, of).config?.vocab_size).toBe(10);
  });

  it('of task vectors are skipped in strict mode, and said so', () => {
    const ties = `merge_method: ties\nbase_model: c\n${entries('a', 'b')}parameters: {weight: 1}\n`;
    const of = second({ 'h.1.mlp.weight': { dtype: 'F32', shape: [5, 4] } });
    expect(errorOf(ties, {}, of)).toMatchObject({
      className: 'shape_mismatch',
      expected: [4, 4],
      actual: [5, 4],
    });
    const strict = plan(ties, { strict: true }, of);
    const output = strict.outputs.find(({ name }) => name === 'h.1.mlp.weight');
    expect(output?.inputs.map(({ model: index }) => strict.models[index].reference)).toEqual(['a', 'c']);
    expect(output?.base).toBe(1);
    expect(output?.perModel.weight).toEqual([1, 1]);
    expect(strict.warnings.join()).toMatch(/h\.1\.mlp\.weight: b left out/);
  });

  it('of integers are copied if they are alike', () => {
    const mask: TensorFacts = { dtype: 'I64', shape: [1, 8] };
    const of = (path: string) => model(path, 2, { position_ids: mask });
    const output = plan(both, {}, of).outputs.find(({ name }) => name === 'position_ids');
    expect(output?.method).toBeUndefined();
    expect(output?.inputs).toHaveLength(2);
    expect(output?.dtype).toBe('I64');
  });

  it('in numbers of layers are refused, and slices beyond them too', () => {
    expect(errorOf(both, {}, (path) => model(path, path === 'a' ? 2 : 3)).className).toBe(
      'slice_length_mismatch',
    );
    expect(
      errorOf('merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [1, 3]}]}]\n')
        .className,
    ).toBe('bad_layer_range');
  });

  it('of models without configuration are refused, merged where they are, or dropped', () => {
    const bare = (path: string): ModelFacts => ({
      path,
      tensors: new Map([
        ['x', { dtype: 'F32', shape: [2] }],
        ...(path === 'a' ? [['y', { dtype: 'F32', shape: [2] }] as const] : []),
      ]),
    });
    expect(errorOf(both, {}, bare).className).toBe('missing_tensor');
    const namesOf = (rawTensors: 'union' | 'intersection') =>
      plan(both, { rawTensors }, bare).outputs.map(({ name, inputs }) => [name, inputs.length]);
    expect(namesOf('union')).toEqual([
      ['x', 2],
      ['y', 1],
    ]);
    expect(namesOf('intersection')).toEqual([['x', 2]]);
    expect(() => namesOf('onion' as 'union')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('onion') }),
    );
  });

  it('of a known architecture are carried, never silently dropped', () => {
    const of = (path: string): ModelFacts => ({
      path,
      config: { architectures: ['LlamaForCausalLM'] },
      tensors: new Map<string, TensorFacts>([
        ['model.embed_tokens.weight', { dtype: 'F32', shape: [4, 2] }],
        ['model.norm.weight', { dtype: 'F32', shape: [2] }],
        ['model.extra.table', { dtype: 'F32', shape: [3] }],
      ]),
    });
    const { outputs, warnings } = plan(both, {}, of);
    expect(outputs.find(({ name }) => name === 'model.extra.table')).toMatchObject({
      inputs: [{ model: 0 }],
    });
    expect(warnings.join()).toMatch(/model\.extra\.table is copied from a/);
    expect(plan(both, { strict: true }, of).outputs.map(({ name }) => name)).not.toContain(
      'model.extra.table',
    );
  });
});

describe('heads', () => {
  const tied = (path: string): ModelFacts => {
    const facts = model(path, 1, { 'lm_head.weight': { dtype: 'F32', shape: [10, 4] } });
    const tensors = new Map(facts.tensors);
    tensors.delete('embed_tokens.weight');
    tensors.set('model.embed_tokens.weight', { dtype: 'F32', shape: [10, 4] });
    return { ...facts, tensors, config: { ...facts.config, tie_word_embeddings: true } };
  };
  const one = 'merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n';

  it('that the configuration ties to the embedding are not written, but in strict mode', () => {
    const { outputs, warnings } = plan(one, {}, tied);
    expect(outputs.map(({ name }) => name)).not.toContain('lm_head.weight');
    expect(warnings.join()).toMatch(/lm_head\.weight is not written/);
    expect(plan(one, { strict: true }, tied).outputs.map(({ name }) => name)).toContain('lm_head.weight');
  });

  it('that an embedding stands in for have the parameters of a head', () => {
    const of = (path: string): ModelFacts => {
      const facts = tied(path);
      if (path === 'a') return { ...facts, config: { ...facts.config, tie_word_embeddings: false } };
      return { ...facts, tensors: new Map([...facts.tensors].filter(([name]) => name !== 'lm_head.weight')) };
    };
    const weight = '[{filter: embed_tokens, value: 0.25}, {value: 0.75}]';
    const two = `merge_method: linear\nmodels:\n- {model: a, parameters: {weight: ${weight}}}\n- {model: b, parameters: {weight: ${weight}}}\n`;
    const { outputs } = plan(two, {}, of);
    const weightsOf = (tensor: string) => outputs.find(({ name }) => name === tensor)?.perModel.weight;
    expect(weightsOf('model.embed_tokens.weight')).toEqual([0.25, 0.25]);
    expect(outputs.find(({ name }) => name === 'lm_head.weight')).toMatchObject({
      inputs: [{ name: 'lm_head.weight' }, { name: 'model.embed_tokens.weight' }],
    });
    expect(weightsOf('lm_head.weight')).toEqual([0.75, 0.75]);
  });

  it('without an embedding to be tied to are written', () => {
    const alone = (path: string) => {
      const facts = tied(path);
      const tensors = new Map([...facts.tensors].filter(([name]) => name !== 'model.embed_tokens.weight'));
      return { ...facts, tensors };
    };
    expect(plan(one, {}, alone).outputs.map(({ name }) => name)).toContain('lm_head.weight');
  });
});

describe('modules', () => {
  const of = (path: string): ModelFacts => ({
    path,
    config: { architectures: ['SeeingModel'], text_config: { num_hidden_layers: 2, vocab_size: 8 } },
    tensors: new Map(
      [
        'vision.blocks.0.w',
        'vision.blocks.1.w',
        'language.layers.0.w',
        'language.layers.1.w',
        'language.norm.weight',
      ].map((name) => [name, { dtype: 'F32', shape: [2, 2] }]),
    ),
  });

  it('are merged each by its own entries and parameters', () => {
    const { outputs, config } = plan(
      `merge_method: linear\nmodules:\n  vision:\n    ${entries('a', 'b').trim()}\n    parameters: {weight: 2}\n` +
        '  language:\n    slices:\n      - sources: [{model: a, layer_range: [1, 2]}]\nparameters: {weight: 1}\n',
      {},
      of,
    );
    expect(outputs.map(({ name, inputs, perModel }) => [name, inputs[0].name, perModel.weight])).toEqual([
      ['vision.blocks.0.w', 'vision.blocks.0.w', [2, 2]],
      ['vision.blocks.1.w', 'vision.blocks.1.w', [2, 2]],
      ['language.layers.0.w', 'language.layers.1.w', [1]],
      ['language.norm.weight', 'language.norm.weight', [1]],
    ]);
    expect(config?.text_config).toMatchObject({ num_hidden_layers: 1 });
  });

  it('must take in every tensor', () => {
    const error = errorOf(
      `merge_method: linear\nparameters: {weight: 1}\nmodules:\n  vision: {${entries('a').trim()}}\n`,
      {},
      of,
    );
    expect(error).toMatchObject({ className: 'unassigned_tensor', tensor: 'language.layers.0.w' });
  });
});

describe('checkMethods', () => {
  it('raises what methods say of their parameters before anything is read', () => {
    const zero = plan(
      `merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: -1}}]\n`,
    );
    expect(() => checkMethods(zero, createReference())).toThrow(/weight/);
    const della = plan(
      `merge_method: della\nbase_model: b\n${entries('a')}parameters: {weight: 1, density: 0.9, epsilon: 0.2}\n`,
    );
    expect(() => checkMethods(della, createReference())).toThrow(
      expect.objectContaining({ code: 'ERR_EPSILON_OUT_OF_RANGE' }),
    );
  });
});

describe('parameters that mergekit does not have', () => {
  const text = (method: string, parameter: string) =>
    `merge_method: ${method}\nbase_model: base\n${entries('a', 'b')}parameters: {weight: 1, density: 0.5, ${parameter}}\n`;

  for (const [method, parameter] of [
    ['dare_linear', 'rescale_norm: expectation'],
    ['ties', 'min_keep: 1'],
    ['ties', 'trim_scope: model'],
    ['sce', 'relative_eps: 0.1'],
  ])
    it(`${parameter} is taken, but not in strict mode`, () => {
      const [name] = parameter.split(':');
      expect(plan(text(method, parameter)).outputs[0].global[name]).toBeGreaterThan(0);
      expect(errorOf(text(method, parameter), { strict: true })).toMatchObject({ className: 'unknown_key' });
    });
});
