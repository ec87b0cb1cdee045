import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { planRecipe } from '../../src/merge/plan-recipe.node.js';
import { formatPlan } from '../../src/merge/planner/describe.js';
import { f32, writeModelFolder } from './model-files.js';
import { readBytes, temporaryFolder, uniform } from './stream/fixtures.js';

const folder = await temporaryFolder();
for (const [k, name] of ['a', 'b'].entries())
  writeModelFolder(
    join(folder, name),
    { 'embed_tokens.weight': f32([2, 3], uniform(6, k)), 'h.0.w': f32([3, 3], uniform(9, 10 + k)) },
    {
      'config.json': { architectures: ['Own'], num_hidden_layers: 1, vocab_size: 2 },
      'tokenizer.json': { model: { vocab: k === 0 ? { x: 0, y: 1 } : { y: 0, z: 1 } }, added_tokens: [] },
    },
  );

const STACK =
  'name: stack\nmerge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 1]}]\n  - sources: [{model: b, layer_range: [0, 1]}]\n';
const UNION =
  'name: both\nmerge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\ntokenizer_source: union\ndtype: bfloat16\n';
const last = (more: string) =>
  `merge_method: linear\nmodels: [{model: both}]\nparameters: {weight: 1}\n${more}`;

describe('recipes of several documents', () => {
  it('are planned whole before anything is merged, each on the outputs before it', async () => {
    const recipe = `${STACK}---\nmerge_method: linear\nmodels: [{model: stack, parameters: {weight: [1, 2]}}]\n`;
    const description = await planRecipe(recipe, { baseFolder: folder });
    expect(description.steps?.map(({ name, tensors }) => [name, tensors.length])).toEqual([['stack', 3]]);
    expect(description.models).toEqual([{ reference: 'stack', path: 'stack' }]);
    expect(description.tensors.map(({ name, perModel }) => [name, perModel.weight])).toEqual([
      ['embed_tokens.weight', [1]],
      ['h.0.w', [1]],
      ['h.1.w', [2]],
    ]);
    expect(formatPlan(description)).toMatch(
      /^document stack\nmodel 1 {2}a[\s\S]*\nfinal document\nmodel 1 {2}stack\n/,
    );
  });

  it('know types, configuration and tokenizer of what is not written yet', async () => {
    const recipe = `${UNION}---\n${last('tokenizer: {source: base, pad_to_multiple_of: 4}\n')}`;
    const description = await planRecipe(recipe, { baseFolder: folder });
    expect(description.config).toMatchObject({ vocab_size: 4, torch_dtype: 'bfloat16' });
    expect(description.tensors[0]).toMatchObject({ dtype: 'BF16', shape: [4, 3] });
    const out = join(folder, 'out');
    const { parameters } = await mergeRecipe(recipe, out, { baseFolder: folder });
    expect(parameters).toBe(description.parameters);
    expect((await readBytes(out, 'tokenizer.json')).toString()).toContain('"z": 2');
  });

  it('fail before the first is merged where a later one cannot be', async () => {
    const out = join(folder, 'late');
    for (const [wrong, className] of [
      [last('').replace('linear', 'slerp'), 'missing_base_model'],
      [
        `merge_method: passthrough\nslices: [{sources: [{model: both, layer_range: [0, 3]}]}]\n`,
        'bad_layer_range',
      ],
    ] as const)
      await expect(mergeRecipe(`${UNION}---\n${wrong}`, out, { baseFolder: folder })).rejects.toMatchObject({
        className,
      });
    expect(existsSync(out)).toBe(false);
  });

  it('leave no folder behind where a value ends the last one', async () => {
    const bad = uniform(9, 3);
    bad[4] = Number.NaN;
    writeModelFolder(join(folder, 'bad'), {
      'embed_tokens.weight': f32([2, 3], uniform(6, 0)),
      'h.0.w': f32([3, 3], bad),
    });
    const out = join(folder, 'ended', 'here');
    const recipe = `name: half\nmerge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n---\nmerge_method: linear\nmodels: [{model: half}, {model: bad}]\nparameters: {weight: 1}\n`;
    await expect(mergeRecipe(recipe, out, { baseFolder: folder })).rejects.toMatchObject({
      code: 'ERR_NONFINITE_INPUT',
    });
    expect(existsSync(out)).toBe(false);
  });

  it('name the function that was called where options or recipe are wrong', async () => {
    const messageOf = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => '',
        (error: Error) => error.message,
      );
    expect(await messageOf(planRecipe(UNION, { workers: -1 }))).toMatch(/^planRecipe: workers/);
    expect(await messageOf(planRecipe(join(folder, 'none.yml')))).toMatch(/^planRecipe: the recipe/);
    expect(await messageOf(mergeRecipe(join(folder, 'none.yml'), 'x'))).toMatch(/^mergeRecipe: the recipe/);
  });
});
