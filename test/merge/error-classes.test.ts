/** Every class of error that a merge can end in: what it names, how to mend it, and that nothing is left behind. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HeddleError } from '../../src/errors.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import type { MergeOptions } from '../../src/merge/merge-options.node.js';
import { f32, type RawTensor, raw, tensorFile, writeFiles, writeModelFolder } from './model-files.js';
import { temporaryFolder } from './stream/fixtures.js';

const folder = await temporaryFolder();
const config = { architectures: ['OwnModel'], num_hidden_layers: 2, vocab_size: 4 };
const W = 'h.0.w.weight';

function model(name: string, change: Record<string, RawTensor | undefined> = {}, files: object = {}): string {
  const tensors: Record<string, RawTensor | undefined> = {
    'embed_tokens.weight': f32([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
    [W]: f32([2, 2], [1, 2, 3, 4]),
    'h.1.w.weight': f32([2, 2], [4, 3, 2, 1]),
    ...change,
  };
  const present = Object.entries(tensors).filter(
    (entry): entry is [string, RawTensor] => entry[1] !== undefined,
  );
  return writeModelFolder(join(folder, name), Object.fromEntries(present), {
    'config.json': config,
    ...files,
  });
}

model('a');
model('b');
model('c');
model('opposite', { [W]: f32([2, 2], [-1, -2, -3, -4]) });
model('turned', { [W]: f32([2, 2], [-0.5, 0.5, 1, 0]), 'h.1.w.weight': f32([2, 2], [0, 0, 0, 0]) });
model('short', { 'h.1.w.weight': undefined });
model('wide', { [W]: f32([2, 3], [1, 2, 3, 4, 5, 6]) });
model('words', { 'embed_tokens.weight': f32([3, 2], [1, 2, 3, 4, 5, 6]) });
model('packed', { 'h.0.w.qweight': raw('I32', [1], [0, 0, 0, 0]) });
model('other', {}, { 'config.json': { ...config, architectures: ['ElseModel'] } });
model('nan', { [W]: f32([2, 2], [1, Number.NaN, 3, 4]) });
model('huge', { [W]: f32([2, 2], [3e38, 3e38, 3, 4]) });
model('zeros', { [W]: f32([2, 2], [0, 0, 0, 0]) });
writeModelFolder(
  join(folder, 'lost'),
  {},
  {
    'model.safetensors.index.json': { metadata: {}, weight_map: { w: 'model-00001-of-00001.safetensors' } },
  },
);
rmSync(join(folder, 'lost', 'model.safetensors'));
writeModelFolder(
  join(folder, 'climbing'),
  {},
  {
    'model.safetensors.index.json': { metadata: {}, weight_map: { w: '../a/model.safetensors' } },
  },
);
const whole = tensorFile({ w: f32([2], [1, 2]) });
writeFiles(folder, { 'cut/model.safetensors': whole.subarray(0, whole.length - 3) });
writeFiles(folder, {
  'lora/adapter_config.json': { peft_type: 'IA3' },
  'lora/adapter_model.safetensors': whole,
});

const entries = (...names: string[]) => `models: [${names.map((name) => `{model: ${name}}`).join(', ')}]\n`;
const linear = (...names: string[]) => `merge_method: linear\n${entries(...names)}parameters: {weight: 1}\n`;
const based = (method: string, parameters: string, ...names: string[]) =>
  `merge_method: ${method}\nbase_model: a\n${entries(...names)}parameters: ${parameters}\n`;

interface Expected {
  /** What the message names: tensor, model, key, place. */
  readonly names: readonly (string | RegExp)[];
  readonly hint: RegExp;
  readonly options?: MergeOptions;
}

const cases: Readonly<Record<string, readonly [recipe: string, expected: Expected][]>> = {
  config_exclusive: [
    [
      `${linear('a')}slices: [{sources: [{model: a, layer_range: [0, 1]}]}]\n`,
      { names: ['models and slices', /:4:/], hint: /exactly one/ },
    ],
    ['merge_method: linear\n# nothing to merge\n', { names: ['none of models'], hint: /exactly one/ }],
    [
      `${linear('a')}tokenizer_source: base\ntokenizer: {source: base}\n`,
      { names: ['tokenizer_source'], hint: /keep tokenizer/ },
    ],
  ],
  unknown_key: [
    [`${linear('a')}out_dtyp: float32\n`, { names: ['out_dtyp', ':4:'], hint: /did you mean "out_dtype"/ }],
    [
      linear('a').replace('weight', 'wieght'),
      { names: ['wieght', 'parameters'], hint: /did you mean "weight"/ },
    ],
  ],
  unknown_method: [
    [linear('a').replace('linear', 'tise'), { names: ['"tise"'], hint: /did you mean "ties"/ }],
  ],
  bad_recipe: [['merge_method: [linear\nmodels: 3\n', { names: [':'], hint: /./ }]],
  bad_parameter_setting: [
    [linear('a').replace('1}', 'heavy}'), { names: ['"heavy"', 'parameters.weight'], hint: /number/ }],
    [linear('a').replace('1}', '[]}'), { names: ['empty gradient'], hint: /at least one/ }],
    [linear('a').replace('1}', '{value: 1, filter: mlp}}'), { names: ['parameters.weight'], hint: /list/ }],
  ],
  missing_parameter: [
    [
      `merge_method: linear\n${entries('a')}`,
      { names: ['weight', 'embed_tokens.weight', ' a'], hint: /parameters/ },
    ],
  ],
  bad_dtype: [
    [`${linear('a')}dtype: bfloat61\n`, { names: ['"bfloat61"'], hint: /did you mean "bfloat16"/ }],
  ],
  bad_model_reference: [
    [linear('a@1@2'), { names: ['"@"'], hint: /path/ }],
    [linear('nowhere'), { names: ['nowhere'], hint: /relative to the recipe/ }],
  ],
  bad_layer_range: [
    [
      'merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [1, 5]}]}]\n',
      { names: ['[1,5]', '2 layers of a', 'slices[0]'], hint: /at 2/ },
    ],
    [
      'merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [1, 0]}]}]\n',
      { names: ['layer_range'], hint: /start < end/ },
    ],
  ],
  slice_length_mismatch: [
    [
      'merge_method: linear\nslices: [{sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 1]}]}]\n',
      { names: ['2, 1'], hint: /one length/ },
    ],
    [linear('a', 'short'), { names: ['short', '1 layers'], hint: /slices/ }],
  ],
  missing_base_model: [
    [`merge_method: ties\n${entries('a')}parameters: {weight: 1}\n`, { names: ['ties'], hint: /base_model/ }],
  ],
  too_few_models: [
    [based('model_stock', '{}', 'b'), { names: ['model_stock', 'at least 2', 'got 1'], hint: /at least 2/ }],
  ],
  too_many_models: [
    [based('slerp', '{t: 0.5}', 'b', 'c'), { names: ['slerp', 'exactly 1', 'got 2'], hint: /exactly 1/ }],
  ],
  missing_tensor: [
    [
      linear('gpt', 'outer'),
      {
        names: [
          'outer has no tensor wte.weight, but transformer.wte.weight',
          'gpt has no tensor transformer.wte.weight',
        ],
        hint: /outer module/,
      },
    ],
    [linear('a', 'b').replace('b}', 'gone}'), { names: ['gone', W], hint: /complete/ }],
  ],
  shape_mismatch: [
    [linear('a', 'wide'), { names: [W, '[2,2] in a', '[2,3] in wide'], hint: /one architecture/ }],
    [linear('a', 'other'), { names: ['OwnModel', 'ElseModel', 'other'], hint: /architecture/ }],
  ],
  vocab_mismatch: [
    [linear('a', 'words'), { names: ['embed_tokens.weight', '[3,2] in words'], hint: /tokenizer/ }],
  ],
  unsupported_dtype: [
    [linear('packed'), { names: ['h.0.w.qweight', 'packed', 'GPTQ'], hint: /passthrough/ }],
  ],
  bad_tokenizer: [
    [`${linear('a')}tokenizer_source: base\n`, { names: ['a has no tokenizer'], hint: /tokenizer\.json/ }],
  ],
  bad_adapter: [[linear('a+lora'), { names: ['lora', 'IA3'], hint: /adapter/ }]],
  unassigned_tensor: [
    [
      'merge_method: passthrough\nmodules: {tower: {models: [{model: a}]}}\n',
      { names: ['embed_tokens.weight of a', 'tower'], hint: /default/ },
    ],
  ],
  epsilon_out_of_range: [
    [
      based('della', '{weight: 1, density: 0.9, epsilon: 0.3}', 'b'),
      { names: ['della', 'b'], hint: /epsilon/ },
    ],
  ],
  empty_density: [
    [based('ties', '{weight: 1, density: 0.2}', 'b'), { names: ['ties', W, 'model b'], hint: /min_keep/ }],
  ],
  zero_weight_sum: [
    [
      'merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: -1}}]\n',
      { names: ['linear', 'embed_tokens.weight'], hint: /weight/ },
    ],
  ],
  missing_shard: [[linear('lost'), { names: ['lost', 'model-00001-of-00001.safetensors'], hint: /fetch/ }]],
  bad_index: [[linear('climbing'), { names: ['climbing', '../a/model.safetensors'], hint: /index/ }]],
  incomplete_buffer: [[linear('cut'), { names: ['cut/model.safetensors'], hint: /truncated/ }]],
  nonfinite_input: [
    [linear('a', 'nan'), { names: [W, 'nan', 'element 1'], hint: /heddle inspect/ }],
    [
      based('ties', '{weight: 1, density: 0.5}', 'nan'),
      { names: [W, 'nan', 'element 1'], hint: /leave out/ },
    ],
  ],
  nonfinite_output: [
    [
      `${linear('huge', 'huge2').replace('1}', '3, normalize: false}')}`,
      { names: [W, 'element 0'], hint: /smaller weights/ },
    ],
  ],
  antipodal_cancellation: [
    [
      'merge_method: multislerp\nmodels: [{model: a}, {model: opposite}, {model: zeros}]\nparameters: {weight: 1}\n',
      { names: ['multislerp', W], hint: /./ },
    ],
  ],
  singular_interpolation: [
    [
      `merge_method: model_stock\nbase_model: zeros\n${entries('a', 'opposite')}`,
      { names: ['model_stock', W], hint: /leave out/ },
    ],
  ],
  out_of_memory_budget: [
    [linear('a', 'b'), { names: ['embed_tokens.weight', 'MB'], hint: /--memory/, options: { memory: 1e6 } }],
  ],
};

writeModelFolder(join(folder, 'gpt'), { 'wte.weight': f32([2], [1, 2]) }, { 'config.json': config });
writeModelFolder(
  join(folder, 'outer'),
  { 'transformer.wte.weight': f32([2], [1, 2]) },
  { 'config.json': config },
);
model('huge2', { [W]: f32([2, 2], [3e38, 3e38, 3, 4]) });
model('gone', { [W]: undefined, 'h.0.v.weight': f32([1], [1]) });

describe('a merge that cannot be done ends in', () => {
  for (const [className, recipes] of Object.entries(cases))
    for (const [index, [recipe, { names, hint, options }]] of recipes.entries())
      it(`${className}, with place and mend: ${recipe.replaceAll('\n', '; ').slice(0, 90)}`, async () => {
        const out = join(folder, `out ${className} ${index}`);
        const error = await mergeRecipe(recipe, out, { baseFolder: folder, workers: 0, ...options }).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(HeddleError);
        const { code, problem, hint: mend } = error as HeddleError;
        expect(code.replace(/^ERR_(MERGE_)?/, '').toLowerCase()).toBe(className);
        for (const name of names) expect(problem).toMatch(typeof name === 'string' ? literal(name) : name);
        expect(mend).toMatch(hint);
        // Nothing that could be taken for a model.
        expect(existsSync(out) ? readdirSync(out).filter((name) => !name.startsWith('.')) : []).toEqual([]);
      });
});

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}
