import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { planRecipe } from '../../src/merge/plan-recipe.node.js';
import {
  f32,
  type RawTensor,
  readJson,
  readTensors,
  tensorFile,
  valuesOf,
  writeFiles,
  writeModelFolder,
} from './model-files.js';
import { temporaryFolder, uniform } from './stream/fixtures.js';

const folder = await temporaryFolder();
const P = 'base_model.model.';
const [ROWS, COLUMNS, RANK] = [5, 7, 2];
const q = uniform(ROWS * COLUMNS, 1);
const embedding = uniform(6 * 4, 2);
const bias = uniform(ROWS, 3);
const base = writeModelFolder(
  join(folder, 'base'),
  {
    'model.embed_tokens.weight': f32([6, 4], embedding),
    'h.0.q.weight': f32([ROWS, COLUMNS], q),
    'h.0.q.bias': f32([ROWS], bias),
  },
  { 'config.json': { architectures: ['OwnModel'], vocab_size: 6 } },
);

let made = 0;
function adapter(tensors: Record<string, RawTensor>, config: object = {}): string {
  return writeFiles(join(folder, `lora${++made}`), {
    'adapter_config.json': { peft_type: 'LORA', r: RANK, lora_alpha: 3, ...config },
    'adapter_model.safetensors': tensorFile(tensors),
  });
}

async function merged(recipe: string, tensor: string): Promise<number[]> {
  const out = join(folder, `out${++made}`);
  await mergeRecipe(recipe, out, { workers: 0 });
  return valuesOf(readTensors(out).get(tensor) as RawTensor);
}

const plain = (lora: string) => `merge_method: passthrough\nmodels: [{model: ${base}+${lora}}]\n`;

/** W + scale * product, row by row, in float64. */
function added(
  weight: Float32Array,
  columns: number,
  scale: number,
  product: (i: number, j: number) => number,
) {
  return Array.from(weight, (w, at) => w + scale * product(Math.floor(at / columns), at % columns));
}

function expectClose(got: readonly number[], want: readonly number[]): void {
  expect(got).toHaveLength(want.length);
  // Rounded to float32 once, from a sum in float64.
  for (const [i, value] of got.entries())
    expect(Math.abs(value - want[i])).toBeLessThanOrEqual(2 ** -23 * Math.abs(want[i]) + 1e-9);
}

describe('adapters as trained by PEFT', () => {
  const a = uniform(RANK * COLUMNS, 11);
  const b = uniform(ROWS * RANK, 12);
  const ba = (i: number, j: number) => b[2 * i] * a[j] + b[2 * i + 1] * a[COLUMNS + j];
  const low = {
    [`${P}h.0.q.lora_A.weight`]: f32([RANK, COLUMNS], a),
    [`${P}h.0.q.lora_B.weight`]: f32([ROWS, RANK], b),
  };

  it('add alpha / r B A, or alpha / sqrt(r) B A when rank-stabilised', async () => {
    expectClose(await merged(plain(adapter(low)), 'h.0.q.weight'), added(q, COLUMNS, 1.5, ba));
    const stabilised = adapter(low, { use_rslora: true });
    expectClose(await merged(plain(stabilised), 'h.0.q.weight'), added(q, COLUMNS, 3 / Math.SQRT2, ba));
  });

  it('add the transposed product to weights stored [in, out]', async () => {
    const turned = {
      [`${P}h.0.q.lora_A.weight`]: f32([RANK, ROWS], b),
      [`${P}h.0.q.lora_B.weight`]: f32([COLUMNS, RANK], a),
    };
    const product = (i: number, j: number) => a[2 * j] * b[i] + a[2 * j + 1] * b[ROWS + i];
    const lora = adapter(turned, { fan_in_fan_out: true });
    expectClose(await merged(plain(lora), 'h.0.q.weight'), added(q, COLUMNS, 1.5, product));
  });

  it('add to embeddings, and replace tensors that they hold whole', async () => {
    const ea = uniform(RANK * 6, 21);
    const eb = uniform(4 * RANK, 22);
    const own = uniform(ROWS, 23);
    const lora = adapter({
      [`${P}model.embed_tokens.lora_embedding_A`]: f32([RANK, 6], ea),
      [`${P}model.embed_tokens.lora_embedding_B`]: f32([4, RANK], eb),
      [`${P}h.0.q.bias`]: f32([ROWS], own),
    });
    const product = (i: number, j: number) => eb[2 * j] * ea[i] + eb[2 * j + 1] * ea[6 + i];
    expectClose(await merged(plain(lora), 'model.embed_tokens.weight'), added(embedding, 4, 1.5, product));
    expect(await merged(plain(lora), 'h.0.q.bias')).toEqual(Array.from(own));
  });

  it('may bring an embedding with more rows, which the configuration then has', async () => {
    const lora = adapter({ [`${P}model.embed_tokens.weight`]: f32([8, 4], uniform(32, 5)) });
    const out = join(folder, 'resized');
    await mergeRecipe(plain(lora), out);
    expect(readJson(out, 'config.json').vocab_size).toBe(8);
  });

  it('merge with each other as deltas of their base', async () => {
    const second = uniform(RANK * COLUMNS, 31);
    const other = adapter({ ...low, [`${P}h.0.q.lora_A.weight`]: f32([RANK, COLUMNS], second) });
    const recipe =
      `merge_method: task_arithmetic\nbase_model: ${base}\nmodels:\n  - {model: ${base}+${adapter(low)}, parameters: {weight: 0.5}}\n` +
      `  - {model: ${base}+${other}, parameters: {weight: -0.25}}\n`;
    const other2 = (i: number, j: number) => b[2 * i] * second[j] + b[2 * i + 1] * second[COLUMNS + j];
    const got = await merged(recipe, 'h.0.q.weight');
    const want = added(q, COLUMNS, 1, (i, j) => 0.5 * 1.5 * ba(i, j) - 0.25 * 1.5 * other2(i, j));
    // Models are W + B A as float32, of a size below 2; their differences are exact.
    for (const [i, value] of got.entries()) expect(Math.abs(value - want[i])).toBeLessThan(2 ** -22);
  });
});

describe('adapters that cannot be used', () => {
  it('are named with what is missing', async () => {
    const bare = writeFiles(join(folder, 'bare'), { 'adapter_config.json': { peft_type: 'LORA' } });
    await expect(planRecipe(plain(bare))).rejects.toThrow(/has no adapter_model\.safetensors/);
    const pickled = writeFiles(join(folder, 'pickled'), {
      'adapter_config.json': { peft_type: 'LORA' },
      'adapter_model.bin': 'boom',
    });
    await expect(planRecipe(plain(pickled))).rejects.toThrow(/pickled adapter_model\.bin/);
    const broken = writeFiles(join(folder, 'broken'), { 'adapter_config.json': '{' });
    await expect(planRecipe(plain(broken))).rejects.toMatchObject({
      className: 'bad_adapter',
      model: broken,
    });
  });

  it('stand for no model by themselves', async () => {
    const lora = adapter({ [`${P}h.0.q.lora_A.weight`]: f32([2, 7], new Float32Array(14)) });
    const alone = planRecipe(`merge_method: passthrough\nmodels: [{model: ${lora}}]\n`);
    await expect(alone).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    await expect(alone).rejects.toThrow(/<model>\+<adapter>/);
  });
});
