/** `fisher` and `regmean` as recipes over folders: golden cases, formulas evaluated here in float64, and what is refused. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadBackend } from '../../../src/kernels/select.js';
import { MergeError } from '../../../src/merge/errors.js';
import { createMemoryMerger } from '../../../src/merge/evolve/memory-merge.node.js';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { planRecipe } from '../../../src/merge/plan-recipe.node.js';
import { formatPlan } from '../../../src/merge/planner/describe.js';
import { MemoryBudgetError } from '../../../src/merge/stream/errors.js';
import { encodeModel, type FlatModel, type FlatTensor } from '../../../src/tensor/safetensors/flat-model.js';
import { readModel, writeModel } from '../../../src/tensor/safetensors/flat-model.node.js';
import { modelSha256 } from '../../../src/tensor/safetensors/model-hash.js';
import { openModel } from '../../../src/tensor/safetensors/reader.node.js';
import { randomTensor } from '../../combine/merge/fixtures.js';
import { goldenCases, readJson } from '../../combine/merge/golden.js';
import { writeFiles } from '../model-files.js';

const home = mkdtempSync(join(tmpdir(), 'heddle-sidecars-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
let folders = 0;
const fresh = (): string => join(home, String(folders++));
const golden = fileURLToPath(new URL('../../golden/merge/', import.meta.url));

const tensor = (shape: readonly number[], values: Float32Array): FlatTensor => ({
  dtype: 'F32',
  shape,
  values,
});
const flat = (tensors: Record<string, FlatTensor>, metadata?: Record<string, string>): FlatModel => ({
  tensors: new Map(Object.entries(tensors)),
  ...(metadata && { metadata }),
});
async function writeSidecar(folder: string, name: string, model: FlatModel): Promise<void> {
  writeFiles(folder, { [name]: await encodeModel(model) });
}
async function valuesAt(folder: string, name: string): Promise<Float32Array> {
  return (await readModel(folder)).tensors.get(name)?.values ?? new Float32Array(0);
}
async function refusal(recipe: string, folder: string, options = {}): Promise<MergeError> {
  try {
    await mergeRecipe(recipe, fresh(), { baseFolder: folder, ...options });
  } catch (error) {
    if (error instanceof MergeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('golden cases as recipes', () => {
  for (const name of ['fisher-2', 'fisher-2-allfloor', 'regmean-2', 'regmean-3-alpha1', 'regmean-diag'])
    it(name, async () => {
      const method = name.split('-')[0];
      const params = readJson<Record<string, unknown> & { coefficients: number[] }>(`${name}/params.json`);
      const { coefficients, ...rest } = params;
      const folder = fresh();
      for (const k of coefficients.keys()) {
        writeFiles(join(folder, `m${k}`), {
          'model.safetensors': readFileSync(join(golden, name, `m${k}`, 'model.safetensors')),
        });
        const [part, file] =
          method === 'fisher' ? ['fisher', 'fisher.safetensors'] : ['grams', 'gram.safetensors'];
        copyFileSync(join(golden, name, part, `m${k}.safetensors`), join(folder, `m${k}`, file));
      }
      const models = coefficients.map((weight, k) => `  - {model: m${k}, parameters: {weight: ${weight}}}`);
      const parameters = JSON.stringify({ ...rest, module: undefined, notes: undefined });
      const recipe = `merge_method: ${method}\nmodels:\n${models.join('\n')}\nparameters: ${parameters}\n`;
      const out = fresh();
      const { warnings } = await mergeRecipe(recipe, out, { baseFolder: folder });
      expect(warnings.every((text) => text.includes('does not say which model'))).toBe(true);
      const { tolerance } = goldenCases.find((each) => each.name === name) ?? {};
      const want = await readModel(join(golden, name, 'expected'));
      const got = await readModel(out);
      expect([...got.tensors.keys()].sort()).toEqual([...want.tensors.keys()].sort());
      for (const [key, { values }] of want.tensors)
        got.tensors.get(key)?.values.forEach((v, i) => {
          const bound = (tolerance?.atol ?? 0) + (tolerance?.rtol ?? 0) * Math.abs(values[i]);
          expect(Math.abs(v - values[i]), `${key}[${i}]`).toBeLessThanOrEqual(bound);
        });
    });
});

/** Two models with tensors of several chunks, and Fisher information far below the least bfloat16 step of the weights. */
async function fisherModels(): Promise<{ folder: string; weights: Float32Array[]; fishers: Float32Array[] }> {
  const folder = fresh();
  const size = 300 * 700;
  const weights = [1, 2].map((seed) => randomTensor(size, seed));
  const fishers = [3, 4].map((seed) => randomTensor(size, seed).map((v) => 1e-9 * v * v));
  for (const [k, name] of ['a', 'b'].entries()) {
    await writeModel(join(folder, name), flat({ 'w.weight': tensor([300, 700], weights[k]) }));
    const source = await openModel(join(folder, name));
    const hash = await modelSha256(source);
    await source.close();
    await writeSidecar(
      join(folder, name),
      'fisher.safetensors',
      flat(
        { 'w.weight': tensor([300, 700], fishers[k]) },
        { 'heddle.examples': '1200', 'heddle.model-sha256': hash },
      ),
    );
  }
  return { folder, weights, fishers };
}

describe('fisher', async () => {
  const { folder, weights, fishers } = await fisherModels();
  const recipe = (more = ''): string =>
    `merge_method: fisher\nmodels:\n  - {model: a, parameters: {weight: 3}}\n  - {model: b}\n${more}`;
  const expected = (i: number, floor: number, scale: readonly number[]): number => {
    const [f, g] = [0, 1].map((k) => ([3, 1][k] * Math.max(fishers[k][i], floor)) / scale[k]);
    return (f * weights[0][i] + g * weights[1][i]) / (f + g);
  };
  const norms = fishers.map((f) => Math.sqrt(f.reduce((sum, v) => sum + v * v, 0)));

  it.each([
    ['as it is', 'parameters: {fisher_floor: 0}', 0, [1, 1]],
    ['with a floor', 'parameters: {fisher_floor: 1.0e-9}', 1e-9, [1, 1]],
    ['normalized', 'parameters: {fisher_floor: 0, normalize_fishers: true}', 0, norms],
  ] as const)('weighs every element by its information, %s', async (_, more, floor, scale) => {
    const out = fresh();
    await mergeRecipe(recipe(more), out, { baseFolder: folder });
    const merged = await valuesAt(out, 'w.weight');
    for (let i = 0; i < merged.length; i += 37)
      expect(Math.abs(merged[i] - expected(i, floor, scale))).toBeLessThanOrEqual(
        1e-6 * Math.max(1, Math.abs(merged[i])),
      );
  });

  it('gives the same bytes for any back end, threads, memory, and in memory', async () => {
    const text = recipe('parameters: {normalize_fishers: true, fisher_floor: 1.0e-12}');
    const outs = [];
    for (const options of [{}, { backend: 'wasm' as const }, { workers: 2 }, { workers: 0, memory: 170e6 }]) {
      const out = fresh();
      await mergeRecipe(text, out, { baseFolder: folder, ...options });
      outs.push(readFileSync(join(out, 'model.safetensors')));
    }
    for (const other of outs.slice(1)) expect(other.equals(outs[0])).toBe(true);
    const kernels = await loadBackend();
    const merger = createMemoryMerger(kernels);
    const absolute = text
      .replace('model: a', `model: ${join(folder, 'a')}`)
      .replace('model: b', `model: ${join(folder, 'b')}`);
    const bytes = await merger.merge(absolute, async (tensors) =>
      Buffer.from(tensors.get('w.weight')?.bytes ?? []),
    );
    await merger.dispose();
    kernels.dispose();
    expect(outs[0].subarray(-bytes.length).equals(bytes)).toBe(true);
  });

  it('rounds models to a narrow dtype, and not the information', async () => {
    const out = fresh();
    await mergeRecipe(recipe('parameters: {fisher_floor: 0}\ndtype: float16\nout_dtype: float32'), out, {
      baseFolder: folder,
    });
    const merged = await valuesAt(out, 'w.weight');
    // Float16 ends at 6e-8: information of 1e-9 would be none, and the merge the plain mean.
    for (let i = 0; i < merged.length; i += 37)
      expect(Math.abs(merged[i] - expected(i, 0, [1, 1]))).toBeLessThanOrEqual(
        2e-3 * Math.max(1, Math.abs(merged[i])),
      );
  });

  it('takes the information of the layer that a slice takes', async () => {
    const stacked = fresh();
    const layer = (seed: number): FlatTensor => tensor([2, 3], randomTensor(6, seed));
    for (const [k, name] of ['a', 'b'].entries()) {
      const seeds = [100 + 10 * k, 101 + 10 * k];
      const named = (of: (seed: number) => FlatTensor) =>
        flat(Object.fromEntries(seeds.map((seed, l) => [`layers.${l}.w.weight`, of(seed)])));
      await writeModel(join(stacked, name), named(layer));
      const information = (seed: number): FlatTensor =>
        tensor(
          [2, 3],
          layer(seed + 100).values.map((v) => v * v),
        );
      await writeSidecar(join(stacked, name), 'fisher.safetensors', named(information));
    }
    const range = (first: number): string =>
      `{sources: [{model: a, layer_range: [${first}, ${first + 1}]}, {model: b, layer_range: [0, 1]}]}`;
    const out = fresh();
    await mergeRecipe(
      `merge_method: fisher\nslices: [${range(1)}, ${range(0)}]\nparameters: {fisher_floor: 0}\n`,
      out,
      { baseFolder: stacked },
    );
    for (const [l, seed] of [101, 100].entries()) {
      const merged = await valuesAt(out, `layers.${l}.w.weight`);
      const [x, y] = [seed, 110].map((s) => randomTensor(6, s));
      const [f, g] = [seed + 100, 210].map((s) => randomTensor(6, s).map((v) => v * v));
      merged.forEach((v, i) => {
        expect(v).toBeCloseTo((f[i] * x[i] + g[i] * y[i]) / (f[i] + g[i]), 5);
      });
    }
  });

  it('shows the files of measurements in a plan', async () => {
    const plan = await planRecipe(recipe(), { baseFolder: folder });
    expect(plan.models.slice(2).map(({ reference, examples }) => [reference, examples])).toEqual([
      ['a/fisher.safetensors', 1200],
      ['b/fisher.safetensors', 1200],
    ]);
    expect(plan.bytesRead).toBe(4 * 4 * 300 * 700);
    expect(formatPlan(plan)).toMatch(/a\/fisher\.safetensors .* measured on 1,200 examples/);
    expect(plan.warnings).toEqual([]);
  });

  it('is not a method of mergekit', async () => {
    const error = await refusal(recipe(), folder, { strict: true });
    expect(error.className).toBe('unknown_method');
    expect(error.hint).not.toContain('fisher');
  });

  it('refuses models without information, and information of other shape, tensors or models', async () => {
    const bare = fresh();
    await writeModel(join(bare, 'a'), await readModel(join(folder, 'a')));
    await writeModel(join(bare, 'b'), await readModel(join(folder, 'b')));
    const absent = await refusal(recipe(), bare);
    expect(absent.className).toBe('missing_sidecar');
    expect(absent.message).toContain('a has no fisher.safetensors');
    expect(absent.hint).toContain('heddle gather');

    copyFileSync(join(folder, 'a', 'fisher.safetensors'), join(bare, 'a', 'fisher.safetensors'));
    copyFileSync(join(folder, 'a', 'fisher.safetensors'), join(bare, 'b', 'fisher.safetensors'));
    const stale = await refusal(recipe(), bare);
    expect([stale.className, stale.model]).toEqual(['stale_sidecar', 'b']);

    await writeSidecar(
      join(bare, 'b'),
      'fisher.safetensors',
      flat({ 'w.weight': tensor([700, 300], fishers[0]) }),
    );
    const turned = await refusal(recipe(), bare);
    expect([turned.className, turned.tensor, turned.model]).toEqual(['bad_sidecar', 'w.weight', 'b']);

    await writeSidecar(
      join(bare, 'b'),
      'fisher.safetensors',
      flat({ other: tensor([1], Float32Array.of(1)) }),
    );
    expect((await refusal(recipe(), bare)).message).toContain('has no tensor w.weight');
  });
});

/** Two linear layers, one with weights [out, in], one turned; a bias; and Gram matrices full, packed and shared. */
async function gramModels() {
  const folder = fresh();
  const [n, m] = [6, 4];
  const made = ['a', 'b'].map((name, k) => {
    const x = randomTensor(20 * n, 50 + k);
    const gram = new Float32Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let r = 0; r < 20; r++) sum += x[r * n + i] * x[r * n + j];
        gram[i * n + j] = sum / 20;
      }
    return { name, gram, weight: randomTensor(n * m, 60 + k), bias: randomTensor(m, 70 + k) };
  });
  const turn = (w: Float32Array): Float32Array => w.map((_, at) => w[(at % m) * n + Math.floor(at / m)]);
  for (const { name, gram, weight, bias } of made) {
    const place = join(folder, name);
    await writeModel(
      place,
      flat({
        'full.weight': tensor([m, n], weight),
        'full.bias': tensor([m], bias),
        'packed.weight': tensor([m, n], weight),
        'shared.weight': tensor([m, n], weight),
        'conv1d.weight': tensor([n, m], turn(weight)),
        'norm.weight': tensor([m], bias),
      }),
    );
    const upper = gram.map((v, at) => (at % n < Math.floor(at / n) ? Number.NaN : v));
    const rows = gram.filter((_, at) => at % n >= Math.floor(at / n));
    await writeSidecar(
      place,
      'gram.safetensors',
      flat(
        {
          full: tensor([n, n], upper),
          packed: tensor([(n * (n + 1)) / 2], rows),
          conv1d: tensor([n, n], gram),
        },
        { 'heddle.shared': '{"shared": "packed"}' },
      ),
    );
  }
  return { folder, made, turn, n, m };
}

describe('regmean', async () => {
  const { folder, made, turn, n, m } = await gramModels();
  const recipe = `merge_method: regmean
models:
  - {model: a, parameters: {weight: 2}}
  - {model: b}
parameters:
  alpha: 0.8
  conv1d: [{filter: conv1d, value: true}, {value: false}]
`;

  it('solves the normal equations of every layer, and averages everything else', async () => {
    const out = fresh();
    const { warnings } = await mergeRecipe(recipe, out, { baseFolder: folder });
    expect(warnings.filter((text) => !text.includes('does not say'))).toEqual([]);
    const { tensors } = await readModel(out);
    const full = tensors.get('full.weight')?.values ?? new Float32Array(0);
    const shrunk = (k: number, i: number, j: number): number => made[k].gram[i * n + j] * (i === j ? 1 : 0.8);
    // sum c G~ W^T = sum c G~_i W_i^T, checked as equations, with weights 2 and 1.
    for (let r = 0; r < m; r++)
      for (let i = 0; i < n; i++) {
        let [left, right] = [0, 0];
        for (let j = 0; j < n; j++)
          for (const [k, c] of [2, 1].entries()) {
            left += c * shrunk(k, i, j) * full[r * n + j];
            right += c * shrunk(k, i, j) * made[k].weight[r * n + j];
          }
        expect(left).toBeCloseTo(right, 5);
      }
    for (const name of ['packed.weight', 'shared.weight']) expect(tensors.get(name)?.values).toEqual(full);
    expect(tensors.get('conv1d.weight')?.values).toEqual(turn(full));
    const mean = made[0].bias.map((v, i) => (2 * v + made[1].bias[i]) / 3);
    for (const name of ['full.bias', 'norm.weight'])
      expect([...(tensors.get(name)?.values ?? [])].map((v, i) => v - mean[i])).toEqual(
        mean.reduce<number[]>((list) => [...list, expect.closeTo(0, 6)], []),
      );
  });

  it('stores narrow types, and takes no notice of models of weight 0', async () => {
    const out = fresh();
    const text = `${recipe.replace('weight: 2', 'weight: 0')}out_dtype: bfloat16\n`;
    await mergeRecipe(text, out, { baseFolder: folder });
    const { tensors } = await readModel(out);
    expect(tensors.get('full.weight')?.dtype).toBe('BF16');
    tensors.get('full.weight')?.values.forEach((v, i) => {
      expect(Math.abs(v - made[1].weight[i])).toBeLessThanOrEqual(
        2 ** -8 * Math.abs(made[1].weight[i]) + 1e-6,
      );
    });
  });

  it('says that a layer does not fit into the memory budget before anything is read', async () => {
    const wide = fresh();
    const size = 2500;
    for (const name of ['a', 'b']) {
      await writeModel(join(wide, name), flat({ 'l.weight': tensor([2, size], new Float32Array(2 * size)) }));
      await writeSidecar(
        join(wide, name),
        'gram.safetensors',
        flat({ l: tensor([size, size], new Float32Array(size * size)) }),
      );
    }
    const text = 'merge_method: regmean\nmodels: [{model: a}, {model: b}]\n';
    const merge = mergeRecipe(text, fresh(), { baseFolder: wide, memory: 200e6 });
    await expect(merge).rejects.toThrow(MemoryBudgetError);
    // Two Gram matrices as read, one as stored, the system and its factor: 2 * 25 + 25 + 2 * 50 MB besides the process.
    await expect(merge).rejects.toThrow(/needs a memory budget of 3\d\d MB/);
    const plan = planRecipe(text, { baseFolder: wide, memory: 200e6 });
    await expect(plan).rejects.toThrow(MemoryBudgetError);
    expect((await planRecipe(text, { baseFolder: wide })).peakBytes).toBeGreaterThan(200e6);
  });

  it('goes on from the layers that an interrupted merge solved, to the same bytes', async () => {
    const [whole, out] = [fresh(), fresh()];
    await mergeRecipe(recipe, whole, { baseFolder: folder });
    const stop = new AbortController();
    const seen: string[] = [];
    const interrupted = mergeRecipe(recipe, out, {
      baseFolder: folder,
      signal: stop.signal,
      onProgress: ({ tensorsDone, tensors, bytesDone, bytes }) => {
        seen.push(`${tensorsDone}/${tensors} ${bytesDone}/${bytes}`);
        if (tensorsDone === 2) stop.abort(new Error('stopped'));
      },
    });
    await expect(interrupted).rejects.toThrow('stopped');
    // Four layers of 24 weights and two vectors of 4, in float32.
    expect(seen).toEqual(['1/6 96/416', '2/6 192/416']);
    const { resumedTensors } = await mergeRecipe(recipe, out, { baseFolder: folder, resume: true });
    expect(resumedTensors).toBe(2);
    const [one, two] = [whole, out].map((place) => readFileSync(join(place, 'model.safetensors')));
    expect(one.equals(two)).toBe(true);
  });

  it('tells of a ridge', async () => {
    const poor = fresh();
    for (const name of ['a', 'b']) {
      await writeModel(join(poor, name), flat({ 'l.weight': tensor([1, 2], Float32Array.of(1, 2)) }));
      await writeSidecar(
        join(poor, name),
        'gram.safetensors',
        flat({ l: tensor([2, 2], Float32Array.of(1, 1, 1, 1)) }),
      );
    }
    const out = fresh();
    const text = 'merge_method: regmean\nmodels: [{model: a}, {model: b}]\nparameters: {alpha: 1}\n';
    const { warnings } = await mergeRecipe(text, out, { baseFolder: poor });
    expect(warnings.join()).toMatch(/l\.weight: the Gram matrices are singular/);
    expect(readFileSync(join(out, 'merge_report.json'), 'utf8')).toContain('singular');
  });

  it('refuses matrices that do not fit, with the way out', async () => {
    const plain = recipe.replace(/ {2}conv1d:.*\n/, '');
    const other = await refusal(plain, folder);
    expect([other.className, other.tensor]).toEqual(['bad_sidecar', 'conv1d.weight']);
    expect(other.hint).toContain('conv1d: true');
    const half = fresh();
    for (const name of ['a', 'b'])
      writeFiles(join(half, name), {
        'model.safetensors': readFileSync(join(folder, name, 'model.safetensors')),
      });
    copyFileSync(join(folder, 'a', 'gram.safetensors'), join(half, 'a', 'gram.safetensors'));
    await writeSidecar(join(half, 'b'), 'gram.safetensors', flat({ full: tensor([n, n], made[1].gram) }));
    const lacking = await refusal(recipe, half);
    expect([lacking.className, lacking.model]).toEqual(['missing_sidecar', 'b']);
  });
});
