/** Recipes over files in memory give the bytes that `mergeRecipe` writes, on another back end too. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergeModels } from '../../src/combine/merge/in-memory.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import { createReference } from '../../src/kernels/reference.js';
import { loadBackend } from '../../src/kernels/select.js';
import type { ModelFiles } from '../../src/merge/blob-store.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { mergeRecipeBlobs, planRecipeBlobs } from '../../src/merge/merge-blobs.js';
import { readModel, writeModel } from '../../src/tensor/safetensors/flat-model.node.js';
import { recipeOf, temporaryFolder, writeFamily } from './stream/fixtures.js';

const golden = fileURLToPath(new URL('../golden/merge/', import.meta.url));
const cases = readdirSync(golden).filter((name) => existsSync(join(golden, name, 'recipe.yml')));

let wasm: Kernels;
beforeAll(async () => {
  wasm = await loadBackend({ backend: 'wasm' });
});
afterAll(() => wasm?.dispose());

/** Every folder below as the files of a model; Blobs, as in a page. */
function modelsIn(folder: string): Record<string, ModelFiles> {
  const models: Record<string, ModelFiles> = {};
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!statSync(path).isDirectory()) continue;
    models[name] = new Map(
      readdirSync(path).map((file) => [file, new Blob([new Uint8Array(readFileSync(join(path, file)))])]),
    );
  }
  return models;
}

/** Content of all files of a folder by name. */
function contents(folder: string): Map<string, Buffer> {
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

function expectSameFiles(got: ReadonlyMap<string, Uint8Array>, want: ReadonlyMap<string, Uint8Array>): void {
  expect([...got.keys()].sort()).toEqual([...want.keys()].sort());
  for (const [name, bytes] of want) {
    const own = got.get(name) ?? Buffer.alloc(0);
    if (name !== 'merge_report.json') expect(Buffer.compare(own, bytes), name).toBe(0);
    else expect(withoutTimings(own)).toEqual(withoutTimings(bytes));
  }
}

function withoutTimings(report: Uint8Array): object {
  const { timings: _, ...rest } = JSON.parse(Buffer.from(report).toString('utf8'));
  return rest;
}

const outcome = async <T>(act: () => Promise<T>): Promise<{ value: T } | { code: unknown }> => {
  try {
    return { value: await act() };
  } catch (error) {
    return { code: (error as { code?: unknown }).code };
  }
};

describe('recipes over files in memory', () => {
  it.each(cases)('%s ends as on disk', async (name) => {
    const folder = join(golden, name);
    const text = readFileSync(join(folder, 'recipe.yml'), 'utf8');
    const out = join(await temporaryFolder(), 'out');
    const options = { baseFolder: folder, workers: 0, shardSize: 0, sync: false };
    const disk = await outcome(() => mergeRecipe(`${text}\n`, out, options));
    const kernels = createReference('plain');
    const memory = await outcome(() => mergeRecipeBlobs(`${text}\n`, modelsIn(folder), { kernels }));
    if ('code' in disk) {
      expect(disk.code).toMatch(/^ERR_/);
      expect(memory).toEqual(disk);
    } else if ('value' in memory) expectSameFiles(memory.value.files, contents(out));
    else expect(memory).toEqual({});
  });

  it.each(['linear', 'ties', 'dare_ties', 'model_stock', 'sce', 'della', 'breadcrumbs'])(
    '%s of tensors of many blocks is the same over WASM, and of models in memory',
    async (method) => {
      const folder = await temporaryFolder();
      await writeFamily(folder, 2);
      const recipe = recipeOf(method, 2);
      await mergeRecipe(recipe, join(folder, 'out'), { baseFolder: folder, sync: false });
      const { files, summary } = await mergeRecipeBlobs(recipe, modelsIn(folder), { kernels: wasm });
      expectSameFiles(files, contents(join(folder, 'out')));
      expect(summary).toMatchObject({ method, tensors: 3, backend: 'wasm', nonFinite: 0 });

      const [base, ...tunes] = await Promise.all(
        ['base', 'tune1', 'tune2'].map((name) => readModel(join(folder, name))),
      );
      const weighted = /linear|ties|dare|crumbs|della/.test(method) && { weight: [0.3, 0.4] };
      const merged = mergeModels(tunes, {
        method: method as 'ties',
        ...(method !== 'linear' && { base }),
        ...weighted,
        ...(weighted && method !== 'linear' && { density: 0.4 }),
      } as { method: 'ties'; base: typeof base });
      await writeModel(join(folder, 'written'), merged, { sync: false });
      const read = (name: string): Buffer => readFileSync(join(folder, name, 'model.safetensors'));
      expect(Buffer.compare(read('written'), read('out'))).toBe(0);
    },
  );

  it.each([
    ['BF16', 'task_arithmetic', ''],
    ['F16', 'task_arithmetic', ''],
    ['BF16', 'ties', 'parameters: {density: 0.3, trim_scope: model}'],
  ] as const)(
    'and functions round wider models to a base of %s alike: %s %s',
    async (dtype, method, more) => {
      const folder = await temporaryFolder();
      await writeFamily(folder, 2);
      const base = await readModel(join(folder, 'base'));
      const narrow = new Map([...base.tensors].map(([name, tensor]) => [name, { ...tensor, dtype }]));
      await writeModel(join(folder, 'narrow'), { ...base, tensors: narrow }, { sync: false });
      const models = ['tune1', 'tune2'].map((name) => `- {model: ${name}, parameters: {weight: 0.5}}`);
      const recipe = `merge_method: ${method}\nbase_model: narrow\nmodels:\n${models.join('\n')}\n${more}\n`;
      await mergeRecipe(recipe, join(folder, 'out'), { baseFolder: folder, workers: 0, sync: false });
      const [origin, ...tunes] = await Promise.all(
        ['narrow', 'tune1', 'tune2'].map((name) => readModel(join(folder, name))),
      );
      const bytesOf = (): Buffer[] =>
        tunes.flatMap(({ tensors }) =>
          [...tensors.values()].map(({ values }) => Buffer.from(values.slice().buffer)),
        );
      const before = bytesOf();
      const options = { base: origin, weight: 0.5 };
      const merged =
        method === 'ties'
          ? mergeModels(tunes, { method, ...options, density: 0.3, trimScope: 'model' })
          : mergeModels(tunes, { method, ...options });
      await writeModel(join(folder, 'written'), merged, { sync: false });
      const read = (name: string): Buffer => readFileSync(join(folder, name, 'model.safetensors'));
      expect(Buffer.compare(read('written'), read('out'))).toBe(0);
      // The models are what they were.
      expect(bytesOf().every((bytes, i) => bytes.equals(before[i]))).toBe(true);
    },
  );

  it('plans without reading a tensor, and tells what looks wrong', async () => {
    const models = modelsIn(join(golden, 'ties-default'));
    const text = readFileSync(join(golden, 'ties-default', 'recipe.yml'), 'utf8');
    const plan = await planRecipeBlobs(text, models);
    expect(plan.tensors.length).toBeGreaterThan(0);
    expect(plan.tensors[0]).toMatchObject({ method: 'ties', passes: 3 });
    const [name] = Object.keys(models);
    const twice = `merge_method: linear\nmodels:\n- {model: ${name}, parameters: {weight: 1}}\n- {model: ${name}, parameters: {weight: 1}}\n`;
    expect((await planRecipeBlobs(twice, models)).warnings.join()).toMatch(/listed twice/);
    await expect(
      planRecipeBlobs('merge_method: linear\nmodels: [{model: x}]\n', models),
    ).rejects.toMatchObject({
      code: 'ERR_MERGE_BAD_MODEL_REFERENCE',
      message: expect.stringContaining(`there are ${Object.keys(models).join(', ')}`),
    });
    await expect(planRecipeBlobs('', models)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('takes shards as a list of files, bytes as a model, and the output of another document', async () => {
    const sharded = fileURLToPath(new URL('../golden/safetensors/sharded', import.meta.url));
    const files = readdirSync(sharded).map(
      (name) => new File([new Uint8Array(readFileSync(join(sharded, name)))], name),
    );
    const first = await mergeRecipeBlobs('merge_method: passthrough\nmodels: [{model: s}]\n', { s: files });
    const single = first.files.get('model.safetensors') as Uint8Array<ArrayBuffer>;
    const text = [
      'name: half',
      'merge_method: linear',
      'models: [{model: ./one.safetensors, parameters: {weight: 0.5}}]',
      'parameters: {normalize: false}',
      '---',
      'merge_method: linear',
      'models: [{model: half, parameters: {weight: 2}}]',
      'parameters: {normalize: false}',
      '',
    ].join('\n');
    const { files: doubled } = await mergeRecipeBlobs(text, { 'one.safetensors': single });
    const [name] = (await planRecipeBlobs('merge_method: passthrough\nmodels: [{model: s}]\n', { s: single }))
      .tensors;
    expect(name.method).toBe('copy');
    // Halving and doubling are exact.
    expect(Buffer.compare(doubled.get('model.safetensors') ?? single.slice(1), single)).toBe(0);
    const again = [files[0], files[0]];
    await expect(
      mergeRecipeBlobs('merge_method: passthrough\nmodels: [{model: s}]\n', { s: again }),
    ).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('finds the files of a model whose name begins with that of another', async () => {
    const bytes = new Uint8Array(readFileSync(join(golden, 'linear-bf16', 'a', 'model.safetensors')));
    const model = (note: string): ModelFiles =>
      new Map([
        ['model.safetensors', new Blob([bytes])],
        ['generation_config.json', new Blob([JSON.stringify({ note })])],
      ]);
    const recipe = 'merge_method: passthrough\nmodels: [{model: a/b}]\n';
    for (const models of [
      { a: model('outer'), 'a/b': model('inner') },
      { 'a/b': model('inner'), a: model('outer') },
    ]) {
      const { files } = await mergeRecipeBlobs(recipe, models);
      expect(Buffer.from(files.get('generation_config.json') ?? []).toString()).toContain('inner');
    }
  });

  it('reports progress, and stops when it is told to', async () => {
    const folder = await temporaryFolder();
    await writeFamily(folder, 2);
    const models = modelsIn(folder);
    const seen: number[] = [];
    await mergeRecipeBlobs(recipeOf('linear', 2), models, {
      onProgress: ({ bytesDone, bytes }) => seen.push(bytesDone / bytes),
    });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual(seen.toSorted((x, y) => x - y));
    const controller = new AbortController();
    const stopped = mergeRecipeBlobs(recipeOf('ties', 2), models, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  });
});
