import { describe, expect, it } from 'vitest';
import { RecipeError } from '../../../src/merge/errors.js';
import { documentOrder } from '../../../src/merge/recipe/documents.js';
import { parseModelReference } from '../../../src/merge/recipe/model-reference.js';
import { parseRecipe, parseRecipes } from '../../../src/merge/recipe/parse.js';
import { referencesOf } from '../../../src/merge/recipe/recipe.js';

const MODELS = 'models: [{model: ./a, parameters: {weight: 1}}]\nmerge_method: linear\n';

function problemsOf(text: string, strict = false) {
  try {
    parseRecipe(text, { source: 'r.yml', strict });
  } catch (error) {
    if (error instanceof RecipeError) return error.problems;
    throw error;
  }
  return [];
}

function classOf(text: string): string | undefined {
  return problemsOf(text)[0]?.className;
}

describe('reading recipes', () => {
  it('names file, line, column, key and the nearest known key of a misspelt one', () => {
    const [problem] = problemsOf(
      'merge_method: linear\nmodels:\n  - model: ./a\n    paramters: {weight: 1}\n',
    );
    expect(problem).toMatchObject({
      className: 'unknown_key',
      source: 'r.yml',
      line: 4,
      column: 5,
      path: 'models[0].paramters',
      hint: 'did you mean "parameters"?',
    });
  });

  it('reports every problem of a recipe at once, with the class of the first', () => {
    const problems = problemsOf(`${MODELS}dtype: float8\nout_dtype: half\nbase_model: a@1@2\n`);
    expect(problems.map(({ className }) => className)).toEqual([
      'bad_model_reference',
      'bad_dtype',
      'bad_dtype',
    ]);
  });

  it('only warns of unknown keys in strict mode', () => {
    const recipe = parseRecipe(`${MODELS}dtyp: float32\n`, { strict: true });
    expect(recipe.dtype).toBeUndefined();
    expect(recipe.warnings).toEqual([expect.stringMatching(/dtyp is ignored; did you mean "dtype"/)]);
  });

  it('takes numbers, booleans, numeric texts, gradients and conditionals as parameters', () => {
    const { parameters } = parseRecipe(
      `${MODELS}parameters:\n  a: 0.5\n  b: true\n  c: "0.25"\n  d: [0, "1", false]\n  e: [{filter: mlp, value: [0, 1]}, {value: 2}]\n  f: 1e-8\n  g: yes\n`,
    );
    expect(Object.fromEntries(parameters)).toEqual({
      a: { kind: 'setting', setting: 0.5 },
      b: { kind: 'setting', setting: 1 },
      c: { kind: 'setting', setting: 0.25 },
      d: { kind: 'setting', setting: [0, 1, 0] },
      e: { kind: 'conditional', cases: [{ filter: 'mlp', value: [0, 1] }, { value: 2 }] },
      f: { kind: 'setting', setting: 1e-8 },
      g: { kind: 'setting', setting: 1 },
    });
  });

  it('takes words where a parameter has choices, and no others', () => {
    const read = (value: string) =>
      parseRecipe(`${MODELS}parameters: {rescale_norm: ${value}}\n`).parameters.get('rescale_norm');
    expect(read('expectation')).toEqual({ kind: 'setting', setting: 1 });
    expect(read('[{filter: mlp, value: none}, {value: l1}]')).toEqual({
      kind: 'conditional',
      cases: [{ filter: 'mlp', value: 2 }, { value: 0 }],
    });
    for (const value of ['l2', '1', '[l1, none]', 'null']) {
      const [problem] = problemsOf(`${MODELS}parameters: {rescale_norm: ${value}}\n`);
      expect(problem).toMatchObject({ className: 'bad_parameter_setting' });
      expect(problem.hint).toBe('write one of l1, expectation, none');
    }
  });

  for (const value of [
    '{filter: mlp, value: 1}',
    '[1, {value: 2}]',
    'hello',
    'null',
    '[]',
    '.nan',
    '[{filter: a}]',
  ])
    it(`refuses the parameter ${value}`, () =>
      expect(classOf(`${MODELS}parameters: {t: ${value}}\n`)).toBe('bad_parameter_setting'));

  for (const range of ['[0]', '[-1, 2]', '[2, 2]', '[3, 1]', '[0, 1.5]', '4'])
    it(`refuses the layer range ${range}`, () =>
      expect(
        classOf(`merge_method: linear\nslices: [{sources: [{model: a, layer_range: ${range}}]}]\n`),
      ).toBe('bad_layer_range'));

  it('needs exactly one of models, slices and modules, an empty list counting as none', () => {
    expect(classOf('merge_method: linear\nmodels: []\n')).toBe('config_exclusive');
    expect(classOf('merge_method: linear\nmodules: {x: {parameters: {}}}\n')).toBe('config_exclusive');
    expect(parseRecipe(`${MODELS}slices: []\n`).models).toHaveLength(1);
  });

  it('reads types with and without torch', () => {
    const recipe = parseRecipe(`${MODELS}dtype: torch.bfloat16\nout_dtype: float16\n`);
    expect([recipe.dtype, recipe.outDtype]).toEqual(['BF16', 'F16']);
  });

  it('merges anchors as the reference tool does', () => {
    const recipe = parseRecipe(
      'merge_method: linear\nmodels:\n  - &first {model: a, parameters: {weight: 1}}\n  - {<<: *first, model: b}\n',
    );
    expect(recipe.models?.map(({ model, parameters }) => [model.text, parameters.get('weight')])).toEqual([
      ['a', { kind: 'setting', setting: 1 }],
      ['b', { kind: 'setting', setting: 1 }],
    ]);
  });

  it('reads tokenizers with overrides, and the short form', () => {
    const { tokenizer } = parseRecipe(
      `${MODELS}tokenizer:\n  source: union\n  pad_to_multiple_of: 8\n  tokens:\n    <a>: {source: {kind: zero}}\n    <b>: {source: ./b, force: true}\n    <c_d>: {source: {kind: model_token, model: c, token_id: 3}}\n`,
    );
    expect(tokenizer?.padToMultipleOf).toBe(8);
    expect(tokenizer?.tokens).toMatchObject([
      { token: '<a>', source: { kind: 'zero' }, force: false },
      { token: '<b>', source: { kind: 'model', model: { text: 'b' } }, force: true },
      { token: '<c_d>', source: { kind: 'model_token', model: { text: 'c' }, tokenId: 3 } },
    ]);
    expect(parseRecipe(`${MODELS}tokenizer_source: base\n`).tokenizer).toEqual({
      source: 'base',
      tokens: [],
    });
  });
});

describe('model references', () => {
  it('have a path, a revision and an adapter', () => {
    expect(parseModelReference('org/m@v1+./lora@r2')).toEqual({
      text: 'org/m@v1+lora@r2',
      path: 'org/m',
      revision: 'v1',
      lora: { path: 'lora', revision: 'r2' },
    });
  });

  it('are one model however their path is written', () => {
    const texts = ['./a', 'a', 'a/', './/a', '././a'].map((text) => parseModelReference(text));
    expect(new Set(texts.map((one) => (typeof one === 'string' ? one : one.text)))).toEqual(new Set(['a']));
  });

  it('are refused with two revisions or two adapters', () => {
    expect(parseModelReference('a@1@2')).toMatch(/more than one "@"/);
    expect(parseModelReference('a+b+c')).toMatch(/more than one "\+"/);
    expect(parseModelReference('+b')).toMatch(/empty path/);
  });

  it('are collected once each, an unlisted base last', () => {
    const recipe = parseRecipe(
      'merge_method: ties\nbase_model: base\nmodels: [{model: b}, {model: ./a}, {model: b}]\n',
    );
    expect(referencesOf(recipe).map(({ text }) => text)).toEqual(['b', 'a', 'base']);
  });
});

describe('recipes of several documents', () => {
  const document = (name: string | undefined, ...models: string[]) =>
    `merge_method: linear\n${name === undefined ? '' : `name: ${name}\n`}models: [${models.map((model) => `{model: ${model}}`).join(', ')}]\n`;
  const orderOf = (...documents: string[]) =>
    documentOrder(parseRecipes(documents.join('---\n'))).map(({ name }) => name);

  it('are put in the order of need, the final output last', () => {
    expect(orderOf(document(undefined, 'x', 'y'), document('x', 'y', 'a'), document('y', 'a', 'b'))).toEqual([
      'y',
      'x',
      undefined,
    ]);
  });

  it('are refused with duplicate names, cycles, and without exactly one final output', () => {
    expect(() => orderOf(document('x', 'a'), document('x', 'b'), document(undefined, 'x'))).toThrow(
      /two documents/,
    );
    expect(() => orderOf(document('x', 'y'), document('y', 'x'), document(undefined, 'x'))).toThrow(
      /"x" -> "y" -> "x"/,
    );
    expect(() => orderOf(document('x', 'a'), document('y', 'b'))).toThrow(/no document is without a name/);
    expect(() => orderOf(document(undefined, 'a'), document(undefined, 'b'))).toThrow(/2 documents/);
  });
});
