/** `heddle gather` and `heddle soup` in this process, over small models of a synthetic task. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gatherCommand } from '../../src/cli/gather.js';
import { soupCommand } from '../../src/cli/soup.js';
import { loadTaskModel } from '../../src/cli/task-model.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { readModel, writeModel } from '../../src/tensor/safetensors/flat-model.node.js';
import { paramTensors } from '../../src/tensor/safetensors/param-model.js';
import { openTrainingSession } from '../../src/train/training-session.js';
import { runVerb } from './run-verb.js';
import { idx } from './simulate-files.js';

const root = mkdtempSync(join(tmpdir(), 'heddle-soup-cli-'));
const side = 12;
const size = side * side;
/** Ten kinds of images: a bright pair of rows for each, and noise from a hash. */
const pixel = (i: number): number => {
  const [image, place] = [Math.floor(i / size), i % size];
  const noise = Math.imul(i ^ (i >>> 9), 0x9e3779b1) >>> 25;
  return noise + (Math.floor(place / side) % 10 === image % 10 ? 90 : 0);
};
for (const [name, count] of [
  ['train', 2000],
  ['test', 300],
] as const) {
  writeFileSync(join(root, `${name}-images`), idx([count, side, side], pixel));
  writeFileSync(
    join(root, `${name}-labels`),
    idx([count], (i) => i % 10),
  );
}
const task = join(root, 'task.yaml');
writeFileSync(
  task,
  `schema: 1
data:
  source: {format: idx, images: train-images, labels: train-labels, test-images: test-images, test-labels: test-labels}
  partitioner: {type: iid, num-partitions: 10}
model: {type: mlp, layers: [${size}, 12, 10]}
`,
);
const { model, data } = await loadTaskModel({ task, part: 'train' });
const session = await openTrainingSession(model);
const base = await session.train(data, { index: Uint32Array.from({ length: 100 }, (_, i) => i), lr: 0.05 });
const models = await Promise.all(
  [1, 2, 3].map(async (k) => {
    const index = Uint32Array.from({ length: 200 }, (_, i) => 400 * k + i);
    const params = await session.train(data, { params: base, index, seed: k, lr: 0.1, epochs: 2 });
    const folder = join(root, `m${k}`);
    // The third has lost its way.
    await writeModel(folder, paramTensors(model.spec, k === 3 ? params.map((v) => -v) : params));
    return folder;
  }),
);
afterAll(async () => {
  await session.dispose();
  rmSync(root, { recursive: true, force: true });
});

describe('heddle gather', () => {
  it('writes what was measured, for the merges that need it', async () => {
    for (const folder of models) {
      const { code, text } = await runVerb(
        gatherCommand,
        folder,
        '--task',
        task,
        '--limit',
        '1500',
        '--json',
      );
      expect(code).toBe(0);
      expect(JSON.parse(text)).toMatchObject({
        folder,
        files: ['fisher.safetensors', 'gram.safetensors'],
        examples: 1500,
        modules: ['fc1', 'fc2'],
      });
    }
    const fisher = await readModel(join(models[0], 'fisher.safetensors'));
    expect(fisher.metadata?.['heddle.examples']).toBe('1500');
    expect([...fisher.tensors.keys()].sort()).toEqual(['fc1.bias', 'fc1.weight', 'fc2.bias', 'fc2.weight']);
    for (const { values } of fisher.tensors.values()) expect(values.every((v) => v >= 0)).toBe(true);
    // The Gram matrix of the first layer is that of the images themselves.
    const gram = (await readModel(join(models[0], 'gram.safetensors'))).tensors.get('fc1');
    expect(gram?.shape).toEqual([size, size]);
    for (const [i, j] of [
      [40, 40],
      [40, 41],
      [17, 98],
    ]) {
      let sum = 0;
      for (let n = 0; n < 1500; n++) sum += (data.x[size * n + i] / 255) * (data.x[size * n + j] / 255);
      expect(gram?.values[size * i + j]).toBeCloseTo(sum / 1500, 5);
    }
    for (const method of ['fisher', 'regmean']) {
      const recipe = `merge_method: ${method}\nmodels: [{model: m1}, {model: m2}]\n`;
      const { warnings } = await mergeRecipe(recipe, join(root, method), { baseFolder: root });
      expect(warnings.filter((text) => !text.includes('singular'))).toEqual([]);
    }
  });

  it('measures the expectation over the labels of the model', async () => {
    const place = join(root, 'expected');
    await writeModel(place, paramTensors(model.spec, base));
    await runVerb(
      gatherCommand,
      place,
      '--task',
      task,
      '--fisher',
      '--labels',
      'model',
      '--limit',
      '40',
      '--json',
    );
    const { tensors, metadata } = await readModel(join(place, 'fisher.safetensors'));
    expect(metadata?.['heddle.fisher-labels']).toBe('model');
    // At the last bias d log p(c) / d b_j = [c = j] - p_j: the expectation of its square is p_j (1 - p_j), at most 1/4; over all it is 1 less
    // the sum of p^2, so between 0 and 0.9 for ten classes.
    const bias = tensors.get('fc2.bias')?.values ?? new Float32Array(0);
    expect(Math.max(...bias)).toBeLessThanOrEqual(0.25);
    const sum = bias.reduce((total, v) => total + v, 0);
    expect(sum).toBeGreaterThan(0.1);
    expect(sum).toBeLessThanOrEqual(0.9);
  });

  it('refuses to replace what is there, another model, and nothing to measure by', async () => {
    await expect(runVerb(gatherCommand, models[0], '--task', task, '--gram')).rejects.toThrow(
      /is there already/,
    );
    await expect(runVerb(gatherCommand, models[0])).rejects.toThrow(/needs --task/);
    const wider = join(root, 'wider.yaml');
    writeFileSync(wider, readFileSync(task, 'utf8').replace('12, 10]', '13, 10]'));
    const other = runVerb(gatherCommand, models[0], '--task', wider, '--overwrite', '--limit', '10');
    await expect(other).rejects.toThrow(/fc1\.weight/);
    expect((await readModel(join(models[0], 'gram.safetensors'))).metadata?.['heddle.examples']).toBe('1500');
  });
});

describe('heddle soup', () => {
  it('leaves out the model that makes the mean worse, and prints what it did', async () => {
    const out = join(root, 'soup');
    const { code, text } = await runVerb(
      soupCommand,
      ...models,
      '--out',
      out,
      '--task',
      task,
      '--limit',
      '200',
      '--json',
    );
    expect(code).toBe(0);
    const result = JSON.parse(text);
    expect(result.ingredients.toSorted()).not.toContain(models[2]);
    expect(result.scores).toHaveLength(3);
    expect(result.score).toBeGreaterThanOrEqual(Math.max(...result.scores));
    expect(JSON.parse(readFileSync(join(out, 'soup.json'), 'utf8'))).toMatchObject({
      ingredients: result.ingredients,
      score: result.score,
    });
    await mergeRecipe(join(out, 'recipe.yaml'), join(root, 'again'));
    const [one, two] = [out, join(root, 'again')].map((folder) =>
      readFileSync(join(folder, 'model.safetensors')),
    );
    expect(one.equals(two)).toBe(true);
  });

  it('scores by a program and by a module alike, for the least too', async () => {
    // The length of the folder's name, and nothing of the model: a score whose soup is known.
    const module = join(root, 'score.mjs');
    writeFileSync(module, `export const fitness = ({ recipe }) => recipe.split('model:').length;\n`);
    const most = await runVerb(soupCommand, ...models, '--out', join(root, 's1'), '--module', module);
    expect(most.text).toContain('3 of 3 models: score 4, the best alone 2');
    const least = await runVerb(
      soupCommand,
      ...models,
      '--out',
      join(root, 's2'),
      '--module',
      module,
      '--minimize',
    );
    expect(least.text).toContain('1 of 3 models');
    const program = join(root, 'score.sh');
    writeFileSync(program, 'test -f "$1/model.safetensors" && echo 1\n');
    const equal = await runVerb(
      soupCommand,
      ...[
        ...models,
        '--out',
        join(root, 's3'),
        '--accept-equal',
        '--command',
        `sh ${program} {model}`,
        '--json',
      ],
    );
    expect(JSON.parse(equal.text).ingredients).toEqual(models);
  });

  it('says what is missing or too much', async () => {
    await expect(runVerb(soupCommand, models[0], '--out', join(root, 'x'))).rejects.toThrow(
      /something that scores/,
    );
    const both = runVerb(soupCommand, models[0], '--out', join(root, 'x'), '--task', task, '--command', 'a');
    await expect(both).rejects.toThrow(/one kind of score/);
  });
});
