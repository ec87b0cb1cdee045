/** Recipes with `trim_scope: model`: the bytes against sorts of whole task vectors, and that nothing else decides them. */
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mergeModels } from '../../../src/combine/merge/in-memory.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { createMemoryMerger } from '../../../src/merge/evolve/memory-merge.node.js';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { mergeRecipeBlobs } from '../../../src/merge/merge-blobs.js';
import type { MergeOptions } from '../../../src/merge/merge-options.node.js';
import { planRecipe } from '../../../src/merge/plan-recipe.node.js';
import { formatPlan } from '../../../src/merge/planner/describe.js';
import type { StreamProgress } from '../../../src/merge/stream/stream.js';
import { readModel, writeModel as writeFlat } from '../../../src/tensor/safetensors/flat-model.node.js';
import { type Family, keptMasks, mergedByHand } from '../../combine/merge/trim-by-hand.js';
import {
  f32,
  type RawTensor,
  raw,
  readJson,
  readTensors,
  valuesOf,
  writeFiles,
  writeModelFolder,
} from '../model-files.js';
import { readBytes, temporaryFolder, uniform } from './fixtures.js';

/** Files hold them in this order, which is not that of their names; one takes several chunks of a tight budget. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'model.norm.weight': [129],
  'model.layers.10.w': [37, 129],
  'model.layers.2.w': [353, 601],
  'model.layers.0.b': [3],
};
const SCALES = [0.5, 0.1, 0.02, 2];
const TUNES = ['one', 'two', 'three'];
const DENSITY = [0.3, 0.07, 1];
const WEIGHT = [0.5, 0.3, 0.7];
const TIGHT = 176e6;

let folder = '';
let number = 0;

/** Top halves of float32 bits: values that bfloat16 holds. */
const halves = (x: Float32Array): Uint16Array =>
  Uint16Array.from(new Uint32Array(x.slice().buffer), (bits) => bits >>> 16);
const bf16 = (shape: readonly number[], x: Float32Array): RawTensor =>
  raw('BF16', shape, new Uint8Array(halves(x).buffer));

function writeFamily(kind: 'F32' | 'BF16'): void {
  const bases = Object.values(SHAPES).map((shape, t) =>
    uniform(
      shape.reduce((a, b) => a * b, 1),
      t + 1,
    ),
  );
  ['base', ...TUNES].forEach((name, m) => {
    const tensors = Object.entries(SHAPES).map(([tensor, shape], t) => {
      const step = uniform(bases[t].length, 100 * m + t);
      const values = bases[t].map((v, i) => v + (m === 0 ? 0 : SCALES[t] * step[i]));
      return [tensor, kind === 'F32' ? f32(shape, values) : bf16(shape, values)] as const;
    });
    writeModelFolder(join(folder, kind, name), Object.fromEntries(tensors));
  });
}

beforeAll(async () => {
  folder = await temporaryFolder();
  writeFamily('F32');
  writeFamily('BF16');
});

function recipeOf(scope: string, more = '', densities: readonly (number | string)[] = DENSITY): string {
  const models = TUNES.map(
    (name, k) => `  - {model: ${name}, parameters: {weight: ${WEIGHT[k]}, density: ${densities[k]}}}\n`,
  );
  return `merge_method: ties\nbase_model: base\nmodels:\n${models.join('')}parameters: {trim_scope: ${scope}${more}}\n`;
}

async function merged(recipe: string, kind: 'F32' | 'BF16', options: MergeOptions = {}): Promise<string> {
  const out = join(folder, `out${++number}`);
  await mergeRecipe(recipe, out, { baseFolder: join(folder, kind), workers: 0, sync: false, ...options });
  return out;
}

/** What the report says was kept, by tensor and input. */
const keptIn = (out: string): [string, number[]][] =>
  (readJson(out, 'merge_report.json').tensors as { tensor: string; kept: number[] }[]).map(
    ({ tensor, kept }) => [tensor, kept],
  );

/** Whether two models hold the same bytes, in whatever order. */
function expectSame(
  got: ReadonlyMap<string, { bytes: Uint8Array }>,
  want: ReadonlyMap<string, RawTensor>,
): void {
  expect([...got.keys()].sort()).toEqual([...want.keys()].sort());
  for (const [name, { bytes }] of want)
    expect(Buffer.compare(got.get(name)?.bytes ?? Buffer.alloc(0), bytes), name).toBe(0);
}

/** Values of a folder by tensor. */
const valuesIn = (path: string): Family[number] =>
  new Map(
    [...readTensors(path)].map(([name, tensor]) => [
      name,
      { shape: tensor.shape, values: Float32Array.from(valuesOf(tensor)) },
    ]),
  );
const familyOf = (kind: string): Family =>
  [...TUNES, 'base'].map((name) => valuesIn(join(folder, kind, name)));

describe('a recipe with trim_scope: model', () => {
  for (const kind of ['F32', 'BF16'] as const)
    for (const normalize of [true, false])
      it(`keeps the largest entries of whole models of ${kind}, ${normalize ? 'normalised' : 'summed'}`, async () => {
        const models = familyOf(kind);
        const options = { weight: WEIGHT, density: DENSITY, normalize, lambda: 1 };
        const want = mergedByHand(models, options);
        const out = await merged(
          `${recipeOf('model', `, normalize: ${normalize}, int8_mask: true`)}out_dtype: float32\n`,
          kind,
        );
        for (const [name, { values }] of valuesIn(out)) {
          const expected = want.get(name) ?? [];
          const worst = values.reduce(
            (most, v, i) => Math.max(most, Math.abs(v - expected[i]) - 2 ** -23 * Math.abs(expected[i])),
            0,
          );
          expect(worst, name).toBe(0);
        }
        // What the report says was kept is what the sort keeps.
        const masks = keptMasks(models, DENSITY);
        const { trimmed, tensors } = readJson(out, 'merge_report.json') as {
          trimmed: object[];
          tensors: { tensor: string; kept: number[]; inputs: [string, string][] }[];
        };
        const sizes = Object.values(SHAPES).map((shape) => shape.reduce((a, b) => a * b, 1));
        const elements = sizes.reduce((a, b) => a + b, 0);
        for (const { tensor, kept, inputs } of tensors) {
          expect(inputs.map(([model]) => model)).toEqual([...TUNES, 'base']);
          expect(kept.slice(0, -1)).toEqual(masks.map((mask) => mask.get(tensor)?.filter(Boolean).length));
        }
        expect(trimmed).toEqual(
          TUNES.map((model, k) => ({
            ...{ model, density: DENSITY[k], tensors: 4, elements, kept: Math.trunc(DENSITY[k] * elements) },
          })),
        );
        for (const [k] of TUNES.entries())
          expect(tensors.reduce((sum, { kept }) => sum + kept[k], 0)).toBe(Math.trunc(DENSITY[k] * elements));
      });

  it.each(['F32', 'BF16'] as const)(
    'gives %s the same bytes for any memory, workers and back end',
    async (kind) => {
      const recipe = recipeOf('model');
      const plain = await merged(recipe, kind);
      const bytes = await readBytes(plain);
      const kept = keptIn(plain);
      for (const options of [
        { workers: 0, memory: TIGHT },
        { workers: 1, memory: TIGHT + 1e6 },
        { workers: 2 },
        { workers: 8 },
        { workers: 0, backend: 'wasm' },
        { workers: 0, backend: 'reference' },
      ] as const) {
        const out = await merged(recipe, kind, options);
        expect((await readBytes(out)).equals(bytes), JSON.stringify(options)).toBe(true);
        expect(keptIn(out)).toEqual(kept);
      }
      const byTensor = await merged(recipeOf('tensor', ', min_keep: 1'), kind);
      expect((await readBytes(byTensor)).equals(bytes)).toBe(false);
    },
  );

  it('is trim_scope: tensor to the bit for models of one tensor, rescaled or not', async () => {
    for (const name of ['base', ...TUNES])
      for (const kind of ['F32', 'BF16'] as const) {
        const w = readTensors(join(folder, kind, name)).get('model.layers.2.w') as RawTensor;
        writeModelFolder(join(folder, `${kind}-single`, name), { w });
      }
    for (const kind of ['F32', 'BF16'])
      for (const more of [
        '',
        ', rescale: true',
        ', rescale: true, rescale_norm: expectation, normalize: false',
      ]) {
        const each = async (scope: string) =>
          readBytes(await merged(recipeOf(scope, more), `${kind}-single` as 'F32', { memory: TIGHT }));
        expect((await each('model')).equals(await each('tensor')), `${kind} ${more}`).toBe(true);
      }
  });

  it('is the same in memory, over files in memory, and for a candidate of a search', async () => {
    for (const kind of ['F32', 'BF16'] as const) {
      const recipe = recipeOf('model');
      const bytes = await readBytes(await merged(recipe, kind));
      const home = join(folder, kind);

      const [base, ...tunes] = await Promise.all(
        ['base', ...TUNES].map((name) => readModel(join(home, name))),
      );
      const options = { weight: WEIGHT, density: DENSITY, trimScope: 'model' } as const;
      await writeFlat(join(folder, 'flat'), mergeModels(tunes, { method: 'ties', base, ...options }), {
        ...{ sync: false, overwrite: true },
      });
      // The writer of flat models has the base's order of tensors, recipes that of the architecture.
      expectSame(readTensors(join(folder, 'flat')), readTensors(await merged(recipe, kind)));

      const blobs = await Promise.all(
        ['base', ...TUNES].map(async (name) => [name, await readBytes(join(home, name))] as const),
      );
      const wasm = await loadBackend({ backend: 'wasm' });
      const { files } = await mergeRecipeBlobs(
        recipe,
        Object.fromEntries(blobs.map(([name, file]) => [name, new Uint8Array(file)])),
        { kernels: wasm },
      );
      expect(Buffer.compare(Buffer.from(files.get('model.safetensors') ?? []), bytes)).toBe(0);
      wasm.dispose();

      const kernels = await loadBackend();
      const merger = createMemoryMerger(kernels, { folder: home });
      const want = readTensors(await merged(recipe, kind));
      // Again with another density: every threshold is another.
      for (const [text, expected] of [
        [recipe, want],
        [recipe.replace('0.07', '0.5'), readTensors(await merged(recipe.replace('0.07', '0.5'), kind))],
        [recipe, want],
      ] as const)
        await merger.merge(text, async (tensors) => expectSame(tensors, expected));
      await merger.dispose();
      kernels.dispose();
    }
  });
});

describe('a merge that ranks whole models', () => {
  it('tells how far it is, and is foretold by the plan', async () => {
    for (const [kind, sweeps] of [
      ['F32', 2],
      ['BF16', 3],
    ] as const) {
      const seen: StreamProgress[] = [];
      const out = join(folder, `told-${kind}`);
      const options = { baseFolder: join(folder, kind), workers: 0, sync: false, memory: TIGHT };
      const { bytesRead } = await mergeRecipe(recipeOf('model'), out, {
        ...{ ...options, onProgress: (progress) => seen.push(progress) },
      });
      const shares = seen.map(({ bytesDone, bytes }) => bytesDone / bytes);
      expect(shares).toEqual(shares.toSorted((a, b) => a - b));
      expect(shares.at(-1)).toBe(1);
      const ranking = seen.filter((progress) => progress.ranking);
      expect(ranking.length).toBeGreaterThanOrEqual((kind === 'F32' ? 5 : 4) * sweeps);
      expect(seen.slice(0, ranking.length)).toEqual(ranking);
      expect(ranking.every(({ tensorsDone, bytesWritten }) => tensorsDone === 0 && bytesWritten === 0)).toBe(
        true,
      );

      const plan = await planRecipe(recipeOf('model'), options);
      const size = Object.values(SHAPES).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
      const width = kind === 'F32' ? 4 : 2;
      // Base and the two models that something is dropped of in each sweep, then all four; the plan has three sweeps always.
      expect(bytesRead).toBe(width * size * (3 * sweeps + 4));
      expect(plan.bytesRead).toBe(width * size * (3 * 3 + 4));
      expect(plan.tensors.map(({ passes }) => passes)).toEqual([4, 4, 4, 4]);
      expect(formatPlan(plan)).toMatch(
        /trimmed {7}one: 65,117 of 217,058 entries are kept, over 4 tensors\n/,
      );
    }
  });

  it('stops when it is told to, and goes on to the same bytes', async () => {
    const recipe = recipeOf('model');
    const bytes = await readBytes(await merged(recipe, 'BF16'));
    const options = { baseFolder: join(folder, 'BF16'), workers: 0, sync: false };
    for (const stopAt of [(p: StreamProgress) => p.ranking, (p: StreamProgress) => p.tensorsDone === 1]) {
      const out = join(folder, `stopped${++number}`);
      const controller = new AbortController();
      const stopped = new Error('stopped');
      await expect(
        mergeRecipe(recipe, out, {
          ...{ ...options, signal: controller.signal },
          onProgress: (progress) => stopAt(progress) && controller.abort(stopped),
        }),
      ).rejects.toBe(stopped);
      await mergeRecipe(recipe, out, { ...options, resume: true });
      expect((await readBytes(out)).equals(bytes)).toBe(true);
      const reports = [out, await merged(recipe, 'BF16')].map((path) => readJson(path, 'merge_report.json'));
      expect({ ...reports[0], timings: 0 }).toEqual({ ...reports[1], timings: 0 });
    }
  });

  it('a lane that was stopped counts anew', async () => {
    const kernels = await loadBackend();
    const merger = createMemoryMerger(kernels, { folder: join(folder, 'BF16') });
    const controller = new AbortController();
    const stopped = merger.merge(recipeOf('model'), async () => undefined, controller.signal);
    setTimeout(() => controller.abort(), 1);
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    const want = readTensors(await merged(recipeOf('model'), 'BF16'));
    await merger.merge(recipeOf('model'), async (tensors) => expectSame(tensors, want));
    await merger.dispose();
    kernels.dispose();
  });

  it('ends where an input changes meanwhile, or is not finite', async () => {
    const changed = join(folder, 'changed');
    for (const name of ['base', ...TUNES])
      writeModelFolder(join(changed, name), Object.fromEntries(readTensors(join(folder, 'F32', name))));
    let touched = Promise.resolve();
    await expect(
      mergeRecipe(recipeOf('model'), join(folder, 'from-changed'), {
        ...{ baseFolder: changed, workers: 1, sync: false },
        onProgress: ({ ranking }) => {
          if (ranking) touched = utimes(join(changed, 'two', 'model.safetensors'), 1, 1);
        },
      }),
    ).rejects.toMatchObject({ code: 'ERR_INPUT_CHANGED', message: expect.stringContaining('two') });
    await touched;
    // A budget that is too small is so in the first sweep.
    const seen: StreamProgress[] = [];
    await expect(
      mergeRecipe(recipeOf('model'), join(folder, 'tiny'), {
        ...{ baseFolder: join(folder, 'F32'), workers: 0, memory: 165e6 },
        onProgress: (progress) => seen.push(progress),
      }),
    ).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY_BUDGET' });
    const once = Object.values(SHAPES).reduce((sum, shape) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    expect(seen.every(({ bytesDone }) => bytesDone < once)).toBe(true);
    const one = Object.fromEntries(readTensors(join(changed, 'one')));
    one['model.layers.10.w'].bytes.set([0, 0, 0x80, 0x7f], 4 * 77);
    writeModelFolder(join(changed, 'one'), one);
    for (const workers of [0, 2])
      await expect(
        mergeRecipe(recipeOf('model'), join(folder, 'from-infinite'), { baseFolder: changed, workers }),
      ).rejects.toMatchObject({
        ...{ code: 'ERR_NONFINITE_INPUT', tensor: 'model.layers.10.w', model: 'one', index: 77 },
      });
  });
});

describe('what is one model', () => {
  const one = (parameters: string, more = '') =>
    `merge_method: ties\nbase_model: base\nmodels: [{model: one, parameters: {weight: 1, ${parameters}}}]\nparameters: {trim_scope: model${more}}\n`;
  const planOf = (recipe: string, options: MergeOptions = {}) =>
    planRecipe(recipe, { baseFolder: join(folder, 'F32'), ...options });

  it('has one density and one min_keep: anything else is refused with the two tensors', async () => {
    for (const [parameters, more] of [
      ['density: [{filter: norm, value: 0.5}, {value: 0.2}]', ''],
      ['density: 0.2', ', min_keep: [{filter: norm, value: 5}, {value: 1}]'],
    ])
      await expect(planOf(one(parameters, more))).rejects.toMatchObject({
        code: 'ERR_MERGE_BAD_PARAMETER_SETTING',
        model: 'one',
        message: expect.stringMatching(
          /(density|min_keep) of one is .* for model\.\S+ and .* for model\.\S+, but with trim_scope: model/,
        ),
        hint: expect.stringContaining('trim_scope: tensor'),
      });
    await expect(planOf(one('density: 1e-9'))).rejects.toMatchObject({
      code: 'ERR_EMPTY_DENSITY',
      message: expect.stringMatching(/keeps none of \d+ elements in 4 tensors/),
    });
    await expect(planOf(one('density: 0.5'), { strict: true })).rejects.toMatchObject({
      code: 'ERR_MERGE_UNKNOWN_KEY',
    });
    await expect(planOf(one('density: 0.5').replace('scope: model', 'scope: modle'))).rejects.toMatchObject({
      hint: expect.stringContaining('tensor, model'),
    });
  });

  it('keeps min_keep entries where its density keeps none, and all where min_keep is more than there are', async () => {
    const count = async (more: string): Promise<number[]> => {
      const { tensors, ...rest } = readJson(
        await merged(one('density: 1e-9', more), 'F32'),
        'merge_report.json',
      ) as {
        tensors: { kept?: number[] }[];
        trimmed: { kept: number }[];
      };
      return [rest.trimmed[0].kept, tensors.reduce((sum, { kept = [0] }) => sum + kept[0], 0)];
    };
    expect(await count(', min_keep: 5')).toEqual([5, 5]);
    const everything = await merged(one('density: 1e-9', ', min_keep: 1e9'), 'F32');
    expectSame(readTensors(everything), readTensors(join(folder, 'F32', 'one')));
  });

  it('is what the tensors with the setting are: the others are trimmed by themselves', async () => {
    const scope = '[{filter: layers.2, value: tensor}, {value: model}]';
    const out = await merged(one('density: 0.25').replace('scope: model', `scope: ${scope}`), 'F32');
    const models = familyOf('F32');
    const [big, rest] = [true, false].map((isBig) =>
      [models[0], models[3]].map(
        (model) => new Map([...model].filter(([name]) => (name === 'model.layers.2.w') === isBig)),
      ),
    );
    const masks = [big, rest].flatMap((family) => [...keptMasks(family, [0.25])[0]]);
    expect(masks).toHaveLength(4);
    for (const [name, mask] of masks) {
      const moved = Array.from(
        valuesIn(out).get(name)?.values ?? [],
        (v, i) => v !== models[3].get(name)?.values[i],
      );
      expect(
        moved.findIndex((is, i) => is !== mask[i]),
        name,
      ).toBe(-1);
    }
  });

  it('is a mention of it: listed twice it has two densities', async () => {
    const twice = one('density: 0.5').replace(
      '}}]',
      '}}, {model: one, parameters: {weight: 1, density: 0.1}}]',
    );
    const { trimmed } = readJson(await merged(twice, 'F32'), 'merge_report.json');
    expect(trimmed).toMatchObject([
      { model: 'one', density: 0.5 },
      { model: 'one', density: 0.1 },
    ]);
  });

  it('has no share in tensors that it lacks', async () => {
    const home = join(folder, 'lacking');
    for (const name of ['base', ...TUNES]) {
      const tensors = Object.entries(Object.fromEntries(readTensors(join(folder, 'F32', name))));
      const kept = tensors.filter(([tensor]) => name !== 'one' || tensor !== 'model.layers.2.w');
      writeModelFolder(join(home, name), Object.fromEntries(kept));
    }
    const out = await merged(recipeOf('model'), '../lacking' as 'F32', {
      ...{ baseFolder: home, rawTensors: 'union', workers: 2 },
    });
    const [size, without] = [false, true].map((isWithout) =>
      Object.entries(SHAPES).reduce(
        (sum, [name, shape]) =>
          isWithout && name === 'model.layers.2.w' ? sum : sum + shape.reduce((a, b) => a * b, 1),
        0,
      ),
    );
    expect(readJson(out, 'merge_report.json')).toMatchObject({
      trimmed: [
        { model: 'one', elements: without, tensors: 3, kept: Math.trunc(0.3 * without) },
        { model: 'two', elements: size, tensors: 4 },
        { model: 'three', elements: size },
      ],
    });
  });

  it('has the tensors that its adapter changes, and those that the adapter holds whole', async () => {
    const home = join(folder, 'adapted');
    const w = uniform(40, 1);
    const head = uniform(12, 2);
    writeModelFolder(join(home, 'base'), {
      'h.0.q.weight': f32([5, 8], w),
      'head.weight': f32([3, 4], head),
    });
    const a = uniform(8, 3);
    const b = uniform(5, 4);
    const own = head.map((v, i) => v + 0.3 * uniform(12, 5)[i]);
    const lora = join(home, 'lora');
    const P = 'base_model.model.';
    const file = writeModelFolder(join(home, 'scratch'), {
      [`${P}h.0.q.lora_A.weight`]: f32([1, 8], a),
      [`${P}h.0.q.lora_B.weight`]: f32([5, 1], b),
      [`${P}head.modules_to_save.weight`]: f32([3, 4], own),
    });
    writeFiles(lora, {
      'adapter_config.json': { peft_type: 'LORA', r: 1, lora_alpha: 1 },
      'adapter_model.safetensors': new Uint8Array(await readBytes(file)),
    });
    const recipe = `merge_method: ties\nbase_model: base\nmodels: [{model: base+lora, parameters: {weight: 1, density: 0.5}}]\nparameters: {trim_scope: model}\n`;
    const out = await merged(recipe, '../adapted' as 'F32', { baseFolder: home });
    expect(readJson(out, 'merge_report.json')).toMatchObject({
      trimmed: [{ model: 'base+lora', elements: 52, tensors: 2, kept: 26 }],
    });
    const tuned = w.map((v, i) => v + b[Math.floor(i / 8)] * a[i % 8]);
    const [mask] = keptMasks(
      [
        [tuned, own],
        [w, head],
      ].map(
        ([q, h]) =>
          new Map(Object.entries({ q: { shape: [5, 8], values: q }, z: { shape: [3, 4], values: h } })),
      ),
      [0.5],
    );
    const made = valuesIn(out);
    expect(Array.from(made.get('h.0.q.weight')?.values ?? [], (v, i) => v !== w[i])).toEqual(mask.get('q'));
    expect(Array.from(made.get('head.weight')?.values ?? [], (v, i) => v !== head[i])).toEqual(mask.get('z'));
  });

  it('is counted as it is loaded: rounded where the recipe has a dtype', async () => {
    const size = Object.values(SHAPES).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    for (const dtype of ['bfloat16', 'float16']) {
      const out = await merged(`${one('density: 0.2')}dtype: ${dtype}\n`, 'F32', { workers: 2 });
      expect(keptIn(out).reduce((sum, [, [kept]]) => sum + kept, 0)).toBe(Math.trunc(0.2 * size));
    }
  });

  it('is all its layers of a stack, as often as they are used', async () => {
    const home = join(folder, 'stacked');
    for (const [m, name] of ['base', 'one'].entries())
      writeModelFolder(join(home, name), {
        'h.0.w': f32([4, 5], uniform(20, m + 1)),
        'h.1.w': f32([4, 5], uniform(20, m + 3)),
        norm: f32([7], uniform(7, m + 5)),
      });
    const slice = (range: string, density: string) =>
      `  - sources:\n    - {model: one, layer_range: ${range}, parameters: {density: ${density}}}\n    - {model: base, layer_range: ${range}}\n`;
    const stack = (second: string) =>
      `merge_method: ties\nbase_model: base\nslices:\n${slice('[0, 2]', '0.5')}${slice('[1, 2]', second)}parameters: {weight: 1, trim_scope: model}\n`;
    const out = await merged(stack('0.5'), '../stacked' as 'F32', { baseFolder: home });
    expect(readJson(out, 'merge_report.json')).toMatchObject({
      trimmed: [{ model: 'one', elements: 67, tensors: 4, kept: 33 }],
    });
    expect(keptIn(out).reduce((sum, [, [kept]]) => sum + kept, 0)).toBe(33);
    await expect(planRecipe(stack('0.4'), { baseFolder: home })).rejects.toMatchObject({
      message: expect.stringMatching(/density of one is 0\.5 for h\.0\.w and 0\.4 for h\.2\.w/),
    });
  });

  it('is another in every document', async () => {
    const two = `name: half\n${one('density: 0.5')}---\n${one('density: 0.2').replace('model: one', 'model: half')}`;
    const out = await merged(two, 'F32');
    const size = Object.values(SHAPES).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(readJson(out, 'merge_report.json')).toMatchObject({
      trimmed: [{ model: 'half', kept: Math.trunc(0.2 * size) }],
    });
    // A fifth of all is among the half that the first document kept.
    expect((await readBytes(out)).equals(await readBytes(await merged(one('density: 0.2'), 'F32')))).toBe(
      true,
    );
  });
});
