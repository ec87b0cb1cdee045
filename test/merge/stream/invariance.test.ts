import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import type { MergeOptions } from '../../../src/merge/merge-options.node.js';
import { planRecipe } from '../../../src/merge/plan-recipe.node.js';
import { MemoryBudgetError } from '../../../src/merge/stream/errors.js';
import { readBytes, readValues, recipeOf, temporaryFolder, writeFamily } from './fixtures.js';

const TUNES = 3;
const METHODS = ['linear', 'model_stock', 'ties', 'dare_linear', 'della', 'sce', 'breadcrumbs_ties'];
/** A budget that leaves room for some 65,536-element blocks at a time: the large tensor takes many chunks. */
const TIGHT = 173e6;

let folder = '';
let number = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFamily(folder, TUNES);
});

async function merged(method: string, options: MergeOptions, more = ''): Promise<string> {
  const out = join(folder, `out${number++}`);
  await mergeRecipe(recipeOf(method, TUNES, more), out, { baseFolder: folder, sync: false, ...options });
  return out;
}

describe('the bytes of a merge', () => {
  it.each(METHODS)('%s: are the same for any memory, workers and back end', async (method) => {
    const plain = await readBytes(await merged(method, { workers: 0 }));
    for (const options of [
      { workers: 0, memory: TIGHT },
      { workers: 1, memory: TIGHT + 10e6 },
      { workers: 2 },
      { workers: 8 },
      { workers: 0, backend: 'wasm' },
    ] as const)
      expect((await readBytes(await merged(method, options))).equals(plain), JSON.stringify(options)).toBe(
        true,
      );
  });

  it.each([
    ...METHODS.map((method) => [method, '']),
    ['model_stock', 'parameters: {filter_wise: true}\n'],
    ['della', 'parameters: {rescale: false}\n'],
  ])('%s: are the same with the memory that the refusal of too little names (%s)', async (method, more) => {
    const plain = await readBytes(await merged(method, { workers: 0 }, more));
    for (const workers of [0, 1, 2]) {
      const refusal: unknown = await merged(method, { workers, memory: 1 }, more).catch((error) => error);
      expect(refusal).toBeInstanceOf(MemoryBudgetError);
      const { neededBytes } = refusal as MemoryBudgetError;
      const enough = await merged(method, { workers, memory: neededBytes }, more);
      expect((await readBytes(enough)).equals(plain)).toBe(true);
    }
  });

  it.each(['arcee_fusion', 'nuslerp'])('%s: are the same in one chunk and in several', async (method) => {
    const recipe = `merge_method: ${method}\nbase_model: base\nmodels:\n${
      method === 'nuslerp'
        ? '  - model: tune1\n    parameters: {weight: 0.4}\n  - model: tune2\n    parameters: {weight: 0.6}\nparameters: {nuslerp_row_wise: true}\n'
        : '  - model: base\n  - model: tune1\n'
    }`;
    const run = async (options: MergeOptions): Promise<Buffer> => {
      const out = join(folder, `out${number++}`);
      await mergeRecipe(recipe, out, { baseFolder: folder, sync: false, workers: 0, ...options });
      return readBytes(out);
    };
    expect((await run({ memory: TIGHT })).equals(await run({}))).toBe(true);
  });

  it('come from inputs that are read once where a lane has room to keep them between passes', async () => {
    const run = async (memory: number): Promise<[number, Buffer]> => {
      const out = join(folder, `out${number++}`);
      const options = { baseFolder: folder, sync: false, workers: 2, memory };
      const { bytesRead } = await mergeRecipe(recipeOf('model_stock', TUNES), out, options);
      return [bytesRead, await readBytes(out)];
    };
    const [once, plain] = await run(512e6);
    const [twice, same] = await run(TIGHT + 100e6);
    expect(twice).toBe(2 * once);
    expect(same.equals(plain)).toBe(true);
  });

  it('are the same tensors for any size of the files', async () => {
    const whole = await readValues(await merged('ties', { workers: 0 }));
    const out = await merged('ties', { workers: 0, shardSize: 20_000 });
    expect(existsSync(join(out, 'model.safetensors.index.json'))).toBe(true);
    expect(await readValues(out)).toEqual(whole);
  });

  it('differ between seeds of a randomised method only', async () => {
    const first = await readBytes(await merged('dare_linear', { workers: 0, seed: 1 }));
    expect((await readBytes(await merged('dare_linear', { workers: 0, seed: 1 }))).equals(first)).toBe(true);
    expect((await readBytes(await merged('dare_linear', { workers: 0, seed: 2 }))).equals(first)).toBe(false);
  });

  it('are those of a mean written down in float64', async () => {
    const [a, b, c] = await Promise.all([1, 2, 3].map((i) => readValues(join(folder, `tune${i}`))));
    const made = await readValues(await merged('linear', { workers: 2, memory: TIGHT + 50e6 }));
    for (const [name, values] of made) {
      const sum = 0.3 + 0.4 + 0.5;
      const worst = values.reduce((most, value, i) => {
        const mean =
          (0.3 * (a.get(name)?.[i] ?? 0) + 0.4 * (b.get(name)?.[i] ?? 0) + 0.5 * (c.get(name)?.[i] ?? 0)) /
          sum;
        return Math.max(most, Math.abs(value - mean));
      }, 0);
      expect(worst).toBeLessThan(1e-7);
    }
  });

  it('give the base for a merge of the base with itself', async () => {
    const out = join(folder, 'itself');
    const recipe =
      'merge_method: task_arithmetic\nbase_model: base\nmodels:\n  - model: tune1\n    parameters: {weight: 0}\n';
    const summary = await mergeRecipe(recipe, out, { baseFolder: folder, workers: 0, sync: false });
    expect((await readBytes(out)).equals(await readBytes(join(folder, 'base')))).toBe(true);
    expect(summary.layers.map(({ relativeChange }) => relativeChange)).toEqual([0, 0, 0]);
  });
});

describe('the summary', () => {
  it('states how far each layer moved, as the norms of the files say', async () => {
    const out = join(folder, 'moved');
    const summary = await mergeRecipe(recipeOf('ties', TUNES), out, {
      baseFolder: folder,
      workers: 0,
      sync: false,
    });
    const made = await readValues(out);
    const base = await readValues(join(folder, 'base'));
    const norm = (x: Iterable<number>): number => Math.sqrt([...x].reduce((sum, v) => sum + v * v, 0));
    const values = base.get('layers.1.weight') ?? new Float32Array();
    const moved = made.get('layers.1.weight')?.map((v, i) => v - values[i]) ?? [];
    const stated = summary.layers.find(({ layer }) => layer === 'layers.1')?.relativeChange ?? 0;
    expect(Math.abs(stated / (norm(moved) / norm(values)) - 1)).toBeLessThan(1e-5);
    expect(summary).toMatchObject({ tensors: 3, parameters: 1061 * 661 + 37 * 129 + 129, nonFinite: 0 });
  });

  it('is foretold by the plan', async () => {
    const plan = await planRecipe(recipeOf('ties', TUNES), { baseFolder: folder });
    expect(plan.bytesWritten).toBe(4 * (1061 * 661 + 37 * 129 + 129));
    expect(plan.tensors.map(({ method }) => method)).toEqual(['ties', 'ties', 'ties']);
  });
});

describe('a recipe of several documents', () => {
  it('uses the output of one in another and leaves no trace of it', async () => {
    const out = join(folder, 'two');
    const recipe = `name: half\n${recipeOf('linear', 2)}---\nmerge_method: linear\nmodels:\n  - model: half\n    parameters: {weight: 1}\n`;
    await mergeRecipe(recipe, out, { baseFolder: folder, workers: 0, sync: false });
    const alone = join(folder, 'alone');
    await mergeRecipe(recipeOf('linear', 2), alone, { baseFolder: folder, workers: 0, sync: false });
    expect(await readValues(out)).toEqual(await readValues(alone));
    expect(existsSync(join(out, '.heddle-intermediates'))).toBe(false);
  });
});
