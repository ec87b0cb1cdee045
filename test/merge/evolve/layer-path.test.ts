import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { evolveCommand } from '../../../src/cli/evolve.js';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { parseRecipe } from '../../../src/merge/recipe/parse.js';
import { f32, readJson, readTensors, valuesOf, writeModelFolder } from '../model-files.js';

const root = await mkdtemp(join(tmpdir(), 'heddle-layer-path-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const [hidden, inner, words] = [4, 6, 5];
const llama = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  num_hidden_layers: 2,
  hidden_size: hidden,
  intermediate_size: inner,
  vocab_size: words,
  num_attention_heads: 2,
  num_key_value_heads: 2,
};

/** Every value of a model says whose it is: model * 100, and for layers + 10 * layer. */
function writeLlama(name: string, own: number, config: object = llama): void {
  const tensor = (shape: number[], value: number) =>
    f32(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value + i / 64),
    );
  const layer = (n: number) =>
    Object.fromEntries(
      Object.entries({
        'input_layernorm.weight': [hidden],
        'post_attention_layernorm.weight': [hidden],
        'self_attn.q_proj.weight': [hidden, hidden],
        'self_attn.k_proj.weight': [hidden, hidden],
        'self_attn.v_proj.weight': [hidden, hidden],
        'self_attn.o_proj.weight': [hidden, hidden],
        'mlp.gate_proj.weight': [inner, hidden],
        'mlp.up_proj.weight': [inner, hidden],
        'mlp.down_proj.weight': [hidden, inner],
      }).map(([part, shape]) => [`model.layers.${n}.${part}`, tensor(shape, 100 * own + 10 * n)]),
    );
  writeModelFolder(
    join(root, name),
    {
      'model.embed_tokens.weight': tensor([words, hidden], 100 * own),
      ...layer(0),
      ...layer(1),
      'model.norm.weight': tensor([hidden], 100 * own),
      'lm_head.weight': tensor([words, hidden], 100 * own),
    },
    { 'config.json': config },
  );
}
writeLlama('a', 1);
writeLlama('b', 2);
writeLlama('scaled', 3, { ...llama, merge_input_scales: [1, 0.5] });

const slices = (...layers: [string, number][]): string =>
  layers.map(([model, n]) => `  - sources: [{model: ${model}, layer_range: [${n}, ${n + 1}]}]\n`).join('');
const merged = async (name: string, recipe: string): Promise<Map<string, number>> => {
  await mergeRecipe(recipe, join(root, name), { baseFolder: root });
  return new Map([...readTensors(join(root, name))].map(([tensor, raw]) => [tensor, valuesOf(raw)[0]]));
};

describe('recipes of layer paths', () => {
  it('take what is outside the layers from the model named, and carry the factors in config.json', async () => {
    const text = `merge_method: passthrough
slices:
${slices(['b', 1], ['a', 0], ['b', 0])}outside_layers: a
merge_input_scales: [1, 0.75, 1.25]
`;
    const got = await merged('path', text);
    expect(got.get('model.embed_tokens.weight')).toBe(100);
    expect(got.get('model.norm.weight')).toBe(100);
    expect(got.get('lm_head.weight')).toBe(100);
    expect([0, 1, 2].map((n) => got.get(`model.layers.${n}.mlp.up_proj.weight`))).toEqual([210, 100, 200]);
    const config = readJson(join(root, 'path'), 'config.json');
    expect(config).toMatchObject({ num_hidden_layers: 3, merge_input_scales: [1, 0.75, 1.25] });
    // Without the key: the first slice's model lends the embeddings, the last one's norm and head, as mergekit has it.
    const plain = await merged('plain', `merge_method: passthrough\nslices:\n${slices(['b', 1], ['a', 0])}`);
    expect(plain.get('model.embed_tokens.weight')).toBe(200);
    expect(plain.get('model.norm.weight')).toBe(100);
    expect(readJson(join(root, 'plain'), 'config.json')).not.toHaveProperty('merge_input_scales');
  });

  it('refuse to lose factors that their models need', async () => {
    await expect(
      merged('lost', `merge_method: passthrough\nslices:\n${slices(['scaled', 0], ['a', 1])}`),
    ).rejects.toThrow(/scaled needs the merge_input_scales/);
    const mixed = 'merge_method: linear\nmodels: [{model: scaled}, {model: a}]\nparameters: {weight: 1}\n';
    await expect(merged('mixed', mixed)).rejects.toThrow(/scaled needs the merge_input_scales/);
    await expect(
      merged(
        'short',
        `merge_method: passthrough\nmerge_input_scales: [1]\nslices:\n${slices(['a', 0], ['a', 1])}`,
      ),
    ).rejects.toThrow(/has 1 factors and the slices make 2 layers/);
    // A model by itself keeps its own.
    await merged('same', 'merge_method: linear\nmodels: [{model: scaled}]\nparameters: {weight: 1}\n');
    expect(readJson(join(root, 'same'), 'config.json').merge_input_scales).toEqual([1, 0.5]);
  });

  it('are refused where the keys mean nothing, and known to nobody in strict mode', () => {
    const linear = 'merge_method: linear\nmodels: [{model: a}]\n';
    expect(() => parseRecipe(`${linear}outside_layers: a\n`)).toThrow(/goes with slices/);
    expect(() => parseRecipe(`${linear}merge_input_scales: [1]\n`)).toThrow(/goes with slices/);
    const path = `merge_method: passthrough\nslices:\n${slices(['a', 0])}`;
    expect(() => parseRecipe(`${path}merge_input_scales: [x]\n`)).toThrow(/merge_input_scales\[0\]/);
    const { inputScales, warnings } = parseRecipe(`${path}merge_input_scales: [1]\n`, { strict: true });
    expect(inputScales).toBeUndefined();
    expect(warnings.join()).toContain('unknown key merge_input_scales');
  });
});

describe('a data-flow search', () => {
  it('ends in a recipe that merges to the bytes that were scored, factors and all', async () => {
    // Wants three layers, the second of them from b, with a small factor on it.
    writeFileSync(
      join(root, 'judge.mjs'),
      `import { readFileSync, writeFileSync } from 'node:fs';
export function fitness({ model, generation, index }) {
  const config = readFileSync(model + '/config.json', 'utf8');
  const weights = readFileSync(model + '/model.safetensors');
  writeFileSync(new URL('./seen-' + generation + '-' + index + '.json', import.meta.url), config);
  writeFileSync(new URL('./seen-' + generation + '-' + index + '.bin', import.meta.url), weights);
  const { num_hidden_layers: layers, merge_input_scales: scales } = JSON.parse(config);
  const start = 8 + Number(weights.readBigUInt64LE(0));
  const at = JSON.parse(weights.toString('utf8', 8, start))['model.layers.1.mlp.up_proj.weight'];
  const second = at === undefined ? 0 : weights.readFloatLE(start + at.data_offsets[0]);
  return Math.abs(layers - 3) + (second >= 200 ? 0 : 1) + Math.abs((scales[1] ?? 0) - 0.5);
}
`,
    );
    writeFileSync(
      join(root, 'search.yaml'),
      `genome: {kind: dataflow, models: [{model: a}, {model: b}], scales: true}
fitness: {type: module, module: judge.mjs, goal: minimize}
optimizer: {seed: 3, sigma: 0.5, max_generations: 3}
parallel: 2
`,
    );
    const out = join(root, 'out');
    const command = evolveCommand()(
      (action) =>
        async (...received) =>
          void (await action(...received)),
    );
    await command.parseAsync([join(root, 'search.yaml'), out, '--quiet', '--json'], { from: 'user' });
    const { best } = JSON.parse(readFileSync(join(out, 'checkpoint.json'), 'utf8'));
    // The first model as it is has 2.5.
    expect(-best.score).toBeLessThan(2.5);
    await mergeRecipe(join(out, 'recipe.yaml'), join(root, 'winner'));
    const seen = (kind: string) => readFileSync(join(root, `seen-${best.generation}-${best.index}.${kind}`));
    expect(readFileSync(join(root, 'winner', 'model.safetensors')).equals(seen('bin'))).toBe(true);
    expect(readFileSync(join(root, 'winner', 'config.json')).equals(seen('json'))).toBe(true);
  }, 60_000);
});
