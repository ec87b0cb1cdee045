import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planRecipe } from '../../src/merge/plan-recipe.node.js';
import { f32, writeModelFolder } from './model-files.js';
import { temporaryFolder, uniform } from './stream/fixtures.js';

const folder = await temporaryFolder();
const base = uniform(64, 1);
const delta = uniform(64, 2);
const plus = (scale: number, direction = delta) => base.map((x, i) => x + scale * direction[i]);

function model(name: string, values: Float32Array, config: object = {}, files: object = {}): void {
  writeModelFolder(
    join(folder, name),
    { 'embed_tokens.weight': f32([4, 2], values.subarray(0, 8)), 'h.0.w': f32([8, 8], values) },
    { 'config.json': { architectures: ['Own'], vocab_size: 4, rope_theta: 1e4, ...config }, ...files },
  );
}
model('base', base, {}, { 'vocab.txt': 'a\nb\nc\n' });
model('one', plus(0.01), {}, { 'vocab.txt': 'a\nc\nd\n' });
model('copy', plus(0.01));
model('double', plus(0.02));
model('free', plus(0.01, uniform(64, 3)), { rope_theta: 1e6, eos_token_id: 3 });
model('far', plus(2, uniform(64, 4)), {}, { 'vocab.json': '{' });

const warningsOf = async (method: string, models: string[]) =>
  (
    await planRecipe(
      `merge_method: ${method}\nbase_model: base\nmodels: [${models.map((name) => `{model: ${name}}`).join(', ')}]\n` +
        'parameters: {weight: 1, density: 0.5}\n',
      { baseFolder: folder },
    )
  ).warnings;

describe('a dry run', () => {
  it('finds nothing to say of models that merge well', async () => {
    expect(await warningsOf('dare_ties', ['copy', 'free'])).toEqual([
      // The other models name no end token: that is no difference.
      expect.stringMatching(/^rope_theta is 10000 in copy and 1000000 in free$/),
    ]);
  });

  it('names models that are the same, or multiples of each other', async () => {
    expect((await warningsOf('ties', ['copy', 'double'])).join('\n')).toMatch(
      /the task vectors of copy and double are colinear in all of 2 tensors/,
    );
    expect((await warningsOf('ties', ['one', 'copy'])).join('\n')).toMatch(
      /one and copy hold the same values/,
    );
    expect((await warningsOf('ties', ['copy', 'free'])).join('\n')).not.toMatch(/colinear|same values/);
  });

  it('measures task vectors that are dropped from', async () => {
    expect((await warningsOf('dare_linear', ['far'])).join('\n')).toMatch(
      /far differs from the base by 0\.\d+ in the mean/,
    );
    expect((await warningsOf('dare_linear', ['free'])).join('\n')).not.toMatch(/in the mean/);
    expect((await warningsOf('ties', ['far'])).join('\n')).not.toMatch(/in the mean/);
  });

  it('reports vocabularies that differ, and tokenizers that cannot be read', async () => {
    const warnings = (await warningsOf('ties', ['one', 'far'])).join('\n');
    // b is lacking, d is new, c has moved.
    expect(warnings).toMatch(
      /one \(3 tokens\) and base \(3\) differ: 1 tokens have other ids, 1 are only in base, 1 only in one/,
    );
    expect(warnings).toMatch(/far: vocab\.json is not JSON/);
  });

  it('warns of weights of both signs that are normalised by their sum', async () => {
    const text = (normalize: boolean) =>
      `merge_method: ties\nbase_model: base\nmodels: [{model: copy, parameters: {weight: 1}}, {model: free, parameters: {weight: -0.9}}]\nparameters: {normalize: ${normalize}}\n`;
    const of = async (normalize: boolean) =>
      (await planRecipe(text(normalize), { baseFolder: folder })).warnings.join('\n');
    expect(await of(true)).toMatch(
      /both signs are normalised by their sum in 2 tensors, as embed_tokens\.weight/,
    );
    expect(await of(false)).not.toMatch(/both signs/);
  });

  it('says in one line that models are of different sizes', async () => {
    writeModelFolder(
      join(folder, 'large'),
      {
        'embed_tokens.weight': f32([4, 3], new Float32Array(12)),
        'h.0.w': f32([9, 9], new Float32Array(81)),
      },
      { 'config.json': { architectures: ['Own'], vocab_size: 4, hidden_size: 3 } },
    );
    model('small', base, { hidden_size: 2 });
    const recipe =
      'merge_method: linear\nmodels: [{model: small}, {model: large}]\nparameters: {weight: 1}\n';
    const failed = planRecipe(recipe, { baseFolder: folder });
    await expect(failed).rejects.toMatchObject({ className: 'shape_mismatch' });
    await expect(failed).rejects.toThrow(
      /different sizes: hidden_size is 2 in small, 3 in large[\s\S]*h\.0\.w: shapes differ/,
    );
  });
});
