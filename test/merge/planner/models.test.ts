import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openModels } from '../../../src/merge/planner/models.node.js';
import { planMerge } from '../../../src/merge/planner/planner.js';
import { parseRecipe } from '../../../src/merge/recipe/parse.js';
import { METHODS } from './golden.js';

const root = mkdtempSync(join(tmpdir(), 'heddle-models-'));
afterAll(() => rmSync(root, { recursive: true }));

function write(folder: string, name: string, content: string | Uint8Array): void {
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, folder, name), content);
}

function tensorFile(tensors: Record<string, readonly number[]>): Uint8Array {
  let offset = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, shape]) => {
      const begin = offset;
      offset += 4 * shape.reduce((product, size) => product * size, 1);
      return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }];
    }),
  );
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

for (const [folder, tokens] of [
  ['a', { x: 0, y: 1 }],
  ['b', { y: 0, z: 1 }],
] as const) {
  write(folder, 'model.safetensors', tensorFile({ 'embed_tokens.weight': [2, 3], 'h.0.q.weight': [3, 3] }));
  write(folder, 'config.json', JSON.stringify({ architectures: ['Own'], vocab_size: 2 }));
  write(folder, 'tokenizer.json', JSON.stringify({ model: { vocab: tokens } }));
  write(folder, 'generation_config.json', '{}');
}
write('lora', 'adapter_config.json', JSON.stringify({ peft_type: 'LORA', lora_alpha: 4 }));
write(
  'lora',
  'adapter_model.safetensors',
  tensorFile({
    'base_model.model.h.0.q.lora_A.weight': [2, 3],
    'base_model.model.h.0.q.lora_B.weight': [3, 2],
  }),
);

const RECIPE = 'merge_method: linear\nmodels: [{model: ./a}, {model: b+lora}]\nparameters: {weight: 1}\n';

describe('models of a recipe on disk', () => {
  it('are opened relative to the recipe, with adapter, tokenizer and companions', async () => {
    const recipe = parseRecipe(`${RECIPE}tokenizer: {source: union}\n`);
    const { models, sources, close } = await openModels(recipe, { folder: root });
    try {
      const plan = planMerge(recipe, models, { methods: METHODS });
      expect(plan.models.map(({ path }) => sources.has(path))).toEqual([true, true, true]);
      expect(plan.outputs.map(({ name, shape }) => [name, shape])).toEqual([
        ['embed_tokens.weight', [3, 3]],
        ['h.0.q.weight', [3, 3]],
      ]);
      expect(plan.outputs[1].inputs[1].adapter).toMatchObject({ model: 2, rank: 2, scale: 2 });
      const adapter = sources.get(plan.models[2].path);
      expect(adapter?.tensors.has('base_model.model.h.0.q.lora_A.weight')).toBe(true);
      expect(plan.vocabulary).toEqual(
        new Map([
          ['x', 0],
          ['y', 1],
          ['z', 2],
        ]),
      );
      expect(plan.files.map(({ name }) => name)).toEqual(['tokenizer.json', 'generation_config.json']);
    } finally {
      await close();
    }
  });

  it('without a tokenizer setting are copied with it unread', async () => {
    write('broken', 'model.safetensors', tensorFile({ w: [1] }));
    write('broken', 'config.json', '{}');
    write('broken', 'tokenizer.json', 'not JSON');
    const text = 'merge_method: linear\nmodels: [{model: broken, parameters: {weight: 1}}]\n';
    const { models, close } = await openModels(parseRecipe(text), { folder: root });
    await close();
    const plan = planMerge(parseRecipe(text), models, { methods: METHODS });
    expect(plan.files).toEqual([{ name: 'tokenizer.json', from: join(root, 'broken', 'tokenizer.json') }]);
    const setting = parseRecipe(`${text}tokenizer_source: base\n`);
    await expect(openModels(setting, { folder: root })).rejects.toMatchObject({ className: 'bad_tokenizer' });
  });

  it('that are not there, and adapters without a configuration, are named', async () => {
    const open = (model: string) =>
      openModels(parseRecipe(`merge_method: linear\nmodels: [{model: ${model}}]\n`), { folder: root });
    await expect(open('nowhere')).rejects.toMatchObject({
      className: 'bad_model_reference',
      model: 'nowhere',
    });
    await expect(open('a+b')).rejects.toMatchObject({ className: 'bad_adapter' });
  });

  it('may be outputs of other documents', async () => {
    const recipe = parseRecipe('merge_method: linear\nmodels: [{model: step-one}]\n');
    const { models, close } = await openModels(recipe, { outputs: new Map([['step-one', join(root, 'a')]]) });
    await close();
    expect(models.get('step-one')?.path).toBe(join(root, 'a'));
  });
});
