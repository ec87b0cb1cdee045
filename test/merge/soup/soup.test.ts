/** Greedy soup of folders: the golden decisions, the bytes of a merge, interruption at every step. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { greedySoup } from '../../../src/combine/merge/greedy-soup.js';
import { InvalidArgumentError } from '../../../src/errors.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { MergeError } from '../../../src/merge/errors.js';
import { createMemoryMerger } from '../../../src/merge/evolve/memory-merge.node.js';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { SoupTraceError } from '../../../src/merge/soup/errors.js';
import { type SoupCandidate, soupModels } from '../../../src/merge/soup/soup.node.js';
import { readModel } from '../../../src/tensor/safetensors/flat-model.node.js';
import { readJson, readTensors } from '../../combine/merge/golden.js';
import { writeFiles } from '../model-files.js';

const home = mkdtempSync(join(tmpdir(), 'heddle-soup-test-'));
const kernels = await loadBackend();
const merger = createMemoryMerger(kernels);
afterAll(async () => {
  await merger.dispose();
  kernels.dispose();
  rmSync(home, { recursive: true, force: true });
});
let folders = 0;
const fresh = (): string => join(home, `out${folders++}`);

const name = 'greedy-soup-6';
const golden = fileURLToPath(new URL(`../../golden/merge/${name}/`, import.meta.url));
const trace = readJson<{
  individual_accuracy: Record<string, number>;
  steps: { model: string; candidate_accuracy: number; accepted: boolean }[];
  ingredients: string[];
  final_accuracy: number;
}>(`${name}/trace.json`);
const models = [0, 1, 2, 3, 4, 5].map((k) =>
  writeFiles(join(home, `m${k}`), {
    'model.safetensors': readFileSync(join(golden, `m${k}`, 'model.safetensors')),
  }),
);
const short = (path: string): string => path.slice(home.length + 1);

const validation = readTensors(`${name}/val.safetensors`);
const [x, y] = ['X', 'y'].map((key) => validation.get(key)?.values ?? new Float32Array(0));
let scored: string[] = [];

/** Accuracy of a linear head on the golden validation data, merged in memory. */
function score({ recipe, ingredients }: SoupCandidate): Promise<number> {
  scored.push(ingredients.map(short).join('+'));
  return merger.merge(recipe, async (tensors) => {
    const values = (key: string): Float32Array => {
      const bytes = Uint8Array.from(tensors.get(key)?.bytes ?? []);
      return new Float32Array(bytes.buffer);
    };
    const [weight, bias] = [values('head.weight'), values('head.bias')];
    let correct = 0;
    for (let n = 0; n < y.length; n++) {
      const logits = [...bias].map((b, c) => {
        let sum = b;
        for (let j = 0; j < 6; j++) sum += weight[c * 6 + j] * x[n * 6 + j];
        return sum;
      });
      if (logits.indexOf(Math.max(...logits)) === y[n]) correct++;
    }
    return correct / y.length;
  });
}

describe('soupModels', async () => {
  const whole = fresh();
  const result = await soupModels(models, whole, { score });

  it('takes the golden decisions and writes the golden soup', async () => {
    result.trace.scores.forEach((value, k) => {
      expect(value).toBeCloseTo(trace.individual_accuracy[`m${k}`], 10);
    });
    expect(result.trace.steps.map(({ model, accepted }) => [`m${model}`, accepted])).toEqual(
      trace.steps.map(({ model, accepted }) => [model, accepted]),
    );
    expect(result.ingredients.map(short)).toEqual(trace.ingredients);
    const want = await readModel(join(golden, 'expected'));
    const got = await readModel(whole);
    for (const [key, { values }] of want.tensors)
      got.tensors.get(key)?.values.forEach((v, i) => {
        expect(Math.abs(v - values[i])).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(values[i]));
      });
  });

  it('agrees with the running mean in memory to 1e-6', async () => {
    const flat = await Promise.all(
      models.map(async (model) => {
        const { tensors } = await readModel(model);
        return Float32Array.from([...tensors.values()].flatMap(({ values }) => [...values]));
      }),
    );
    const scores = [...result.trace.scores, ...result.trace.steps.map((step) => step.score)];
    let at = 0;
    const running = await greedySoup({ count: 6, load: (k) => flat[k], score: () => scores[at++], kernels });
    const { tensors } = await readModel(whole);
    const written = [...tensors.values()].flatMap(({ values }) => [...values]);
    const apart = running.weights.map((v, i) => Math.abs(v - written[i]));
    expect(Math.max(...apart)).toBeLessThanOrEqual(1e-6);
  });

  it('writes what `heddle merge` makes of its recipe, to the byte', async () => {
    const again = fresh();
    await mergeRecipe(join(whole, 'recipe.yaml'), again);
    const [mine, theirs] = [again, whole].map((folder) => readFileSync(join(folder, 'model.safetensors')));
    expect(mine.equals(theirs)).toBe(true);
  });

  it('goes on after an interruption at any step, without scoring again, to the same bytes', async () => {
    const steps = 11;
    for (const stopAt of [1, 4, 6, 7, 10]) {
      const out = fresh();
      const stop = new AbortController();
      let seen = 0;
      const run = soupModels(models, out, {
        score,
        signal: stop.signal,
        onStep: () => {
          if (++seen === stopAt) stop.abort(new Error('stopped'));
        },
      });
      await expect(run).rejects.toThrow('stopped');
      await expect(readModel(out)).rejects.toThrow();
      scored = [];
      const resumed = await soupModels(models, out, { score, resume: true });
      expect(scored.length).toBe(steps - stopAt);
      expect(resumed.trace).toEqual(result.trace);
      for (const file of ['model.safetensors', 'soup.json', 'recipe.yaml'])
        expect(readFileSync(join(out, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
    }
  });

  it('refuses the folder of an input, of another model, or none at all before it scores', async () => {
    scored = [];
    const refused = (out: string) => soupModels(models, out, { score }).catch((error: unknown) => error);
    expect(await refused(models[2])).toMatchObject({ code: 'ERR_OUTPUT_IS_INPUT' });
    const taken = writeFiles(fresh(), {
      'model.safetensors': readFileSync(join(models[0], 'model.safetensors')),
    });
    expect(await refused(taken)).toMatchObject({ code: 'ERR_OUTPUT_EXISTS' });
    const file = join(models[0], 'model.safetensors');
    expect(await refused(file)).toMatchObject({ code: 'ERR_OUTPUT_FOLDER' });
    expect(await refused(join(file, 'soup'))).toMatchObject({ code: 'ERR_OUTPUT_FOLDER' });
    expect(await refused(join(home, 'x'.repeat(300)))).toMatchObject({ code: 'ERR_OUTPUT_FOLDER' });
    expect(scored).toEqual([]);
    expect(readdirSync(taken)).toEqual(['model.safetensors']);
    expect(readdirSync(models[2])).toEqual(['model.safetensors']);
  });

  it('leaves no folder where nothing could be scored', async () => {
    const out = join(fresh(), 'deep');
    const failing = soupModels(models, out, { score: () => Promise.reject(new Error('no judge')) });
    await expect(failing).rejects.toThrow('no judge');
    expect(existsSync(dirname(out))).toBe(false);
  });

  it('takes in equals only when asked to', async () => {
    const constant = (options: object) =>
      soupModels(models.slice(0, 3), fresh(), { score: () => 0.5, ...options });
    expect((await constant({})).ingredients.map(short)).toEqual(['m0']);
    expect((await constant({ acceptEqual: true })).ingredients.map(short)).toEqual(['m0', 'm1', 'm2']);
  });

  it('refuses a trace that is there, of other models, or no trace', async () => {
    await expect(soupModels(models, whole, { score })).rejects.toThrow(SoupTraceError);
    await expect(soupModels(models.slice(1), whole, { score, resume: true })).rejects.toThrow(SoupTraceError);
    await expect(soupModels(models, whole, { score, acceptEqual: true, resume: true })).rejects.toThrow(
      /another rule/,
    );
    await expect(soupModels(models, whole, { score, scoreName: 'b', resume: true })).rejects.toThrow(
      SoupTraceError,
    );
    const out = fresh();
    writeFiles(out, { 'soup.json': '{"version": 1}' });
    await expect(soupModels(models, out, { score, resume: true })).rejects.toThrow(
      /is no trace of a soup: definition/,
    );
    writeFileSync(join(out, 'soup.json'), '{');
    await expect(soupModels(models, out, { score, resume: true })).rejects.toThrow(/is not JSON/);
  });

  it('notices a model that was written to since', async () => {
    const changed = writeFiles(join(home, 'changed'), {
      'model.safetensors': readFileSync(join(models[0], 'model.safetensors')),
    });
    const out = fresh();
    const stop = new AbortController();
    const options = { score, signal: stop.signal, onStep: () => stop.abort(new Error('stopped')) };
    await expect(soupModels([changed, models[1]], out, options)).rejects.toThrow('stopped');
    utimesSync(join(changed, 'model.safetensors'), 1, 1);
    await expect(soupModels([changed, models[1]], out, { score, resume: true })).rejects.toThrow(
      SoupTraceError,
    );
  });

  it('replaces an earlier soup when asked to', async () => {
    const out = fresh();
    await soupModels(models.slice(0, 2), out, { score: () => 1 });
    const { ingredients } = await soupModels(models, out, {
      score: () => 1,
      acceptEqual: true,
      overwrite: true,
    });
    expect(ingredients).toEqual(models);
    expect(JSON.parse(readFileSync(join(out, 'soup.json'), 'utf8')).ingredients).toEqual(models);
  });

  it('finds models that do not go together, and types that are none, before it scores', async () => {
    const other = writeFiles(join(home, 'other'), {
      'model.safetensors': readFileSync(
        new URL('../../golden/merge/regmean-2/m0/model.safetensors', import.meta.url),
      ),
    });
    scored = [];
    const strange = soupModels([models[0], other], fresh(), { score });
    await expect(strange).rejects.toThrow(MergeError);
    await expect(soupModels(models, fresh(), { score, dtype: 'float' })).rejects.toThrow(
      /bad_dtype|not a type/,
    );
    expect(scored).toEqual([]);
  });

  it('refuses no model, one twice, and scores that are no number', async () => {
    await expect(soupModels([], fresh(), { score })).rejects.toThrow(InvalidArgumentError);
    await expect(soupModels([models[0], join(models[0], '.')], fresh(), { score })).rejects.toThrow(
      /none twice/,
    );
    await expect(soupModels(models, fresh(), { score: () => Number.NaN })).rejects.toThrow(
      InvalidArgumentError,
    );
  });
});
