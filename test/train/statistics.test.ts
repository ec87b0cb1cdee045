/** Diagonal Fisher and input Gram matrices against their formulas, on every runner. */
import { afterAll, describe, expect, it } from 'vitest';
import { gatherF32 } from '../../src/data/dataset.js';
import { syntheticTask } from '../../src/data/synthetic.js';
import { createReference } from '../../src/kernels/reference.js';
import { compiledWasm, findAddon } from '../../src/kernels/select.js';
import { createWasm } from '../../src/kernels/wasm.js';
import { mlp, softmaxRegression } from '../../src/nn/zoo.js';
import { defineModel } from '../../src/program/model.js';
import { createInlineRunner } from '../../src/train/inline-runner.js';
import type { JobRunner } from '../../src/train/job.js';
import { createNativeRunner } from '../../src/train/native-runner.js';
import { diagonalFisher, inputGrams } from '../../src/train/statistics.js';
import { createWorkerRunner } from '../../src/train/worker-runner.js';
import { blobs } from '../federation/fixtures.js';

const addon = findAddon();
const runners: [string, JobRunner][] = [
  ['reference', createInlineRunner(createReference('plain'))],
  ['wasm', createInlineRunner(await createWasm(await compiledWasm()))],
  ['wasm threads', createWorkerRunner(2, { type: 'wasm', module: await compiledWasm() })],
  ...('addon' in addon
    ? [['native base', createNativeRunner(addon.addon, { workers: 2, isa: 'base' })] as [string, JobRunner]]
    : []),
];
afterAll(() => Promise.all(runners.map(([, runner]) => runner.dispose())));
const [, reference] = runners[0];

const data = blobs({ size: 90 });
/** More than a batch of 64, in no order, one example twice. */
const index = Uint32Array.from({ length: 77 }, (_, i) => (7 * i) % 89);

const inputs = (i: number): number[] => [...gatherF32(data, Uint32Array.of(i))];

/** X^T X / n in float64. */
function gramOf(rows: readonly number[][]): number[] {
  const [{ length: width }] = rows;
  return Array.from(
    { length: width * width },
    (_, at) =>
      rows.reduce((sum, row) => sum + row[Math.floor(at / width)] * row[at % width], 0) / rows.length,
  );
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return Array.from(a, (value, i) => Math.abs(value - b[i])).reduce((x, y) => Math.max(x, y), 0);
};

describe.each(runners)('on %s', (_name, runner) => {
  it('the Fisher of softmax regression is the mean of (p - y)^2 x^2', async () => {
    const model = softmaxRegression(6, 3);
    const params = model.init(3);
    const fisher = await diagonalFisher(model, params, data, { runner, index });
    const expected = new Float64Array(params.length);
    for (const i of index) {
      const x = inputs(i);
      const scores = [0, 1, 2].map((c) => x.reduce((sum, v, j) => sum + v * params[c * 6 + j], 0));
      const total = scores.reduce((sum, z) => sum + Math.exp(z), 0);
      scores.forEach((z, c) => {
        const square = (Math.exp(z) / total - (data.y[i] === c ? 1 : 0)) ** 2 / index.length;
        x.forEach((v, j) => {
          expected[c * 6 + j] += square * v * v;
        });
        expected[18 + c] += square;
      });
    }
    expect(furthest(fisher, expected)).toBeLessThan(1e-6);
  });

  it('the Fisher over the model’s own labels is p (1 - p) x^2 for softmax regression', async () => {
    const model = softmaxRegression(6, 3);
    const params = model.init(3);
    const fisher = await diagonalFisher(model, params, data, { runner, index, labels: 'model' });
    const expected = new Float64Array(params.length);
    for (const i of index) {
      const x = inputs(i);
      const scores = [0, 1, 2].map((c) => x.reduce((sum, v, j) => sum + v * params[c * 6 + j], 0));
      const total = scores.reduce((sum, z) => sum + Math.exp(z), 0);
      scores.forEach((z, c) => {
        const p = Math.exp(z) / total;
        x.forEach((v, j) => {
          expected[c * 6 + j] += (p * (1 - p) * v * v) / index.length;
        });
        expected[18 + c] += (p * (1 - p)) / index.length;
      });
    }
    expect(furthest(fisher, expected)).toBeLessThan(1e-6);
  });

  it('Gram matrices are those of the data and of the hidden units', async () => {
    const model = mlp({ layers: [6, 5, 3], activation: 'tanh' });
    const params = model.init(4);
    const { examples, layers } = await inputGrams(model, params, data, { runner, index });
    expect(examples).toBe(77);
    expect(layers.map(({ gram: _, ...layer }) => layer)).toEqual([
      { layer: 'fc1', parameter: 'fc1.weight', layout: 'out-in', width: 6 },
      { layer: 'fc2', parameter: 'fc2.weight', layout: 'out-in', width: 5 },
    ]);
    const x = Array.from(index, inputs);
    const weight = model.spec.slice(params, 'fc1.weight');
    const hidden = x.map((row) =>
      Array.from({ length: 5 }, (_, u) =>
        Math.tanh(row.reduce((sum, v, j) => sum + v * weight[u * 6 + j], 0)),
      ),
    );
    expect(furthest(layers[0].gram, gramOf(x))).toBeLessThan(1e-6);
    expect(furthest(layers[1].gram, gramOf(hidden))).toBeLessThan(1e-6);
  });

  it('gives the bytes of the reference, whatever runs beside it', async () => {
    const model = mlp({ layers: [6, 5, 3] });
    const params = model.init(5);
    const expected = [
      await diagonalFisher(model, params, data, { runner: reference, index }),
      await inputGrams(model, params, data, { runner: reference, index }),
      await diagonalFisher(model, params, data, { runner: reference, index, labels: 'model' }),
    ];
    const many = await Promise.all(
      [0, 1, 2].flatMap(() => [
        diagonalFisher(model, params, data, { runner, index }),
        inputGrams(model, params, data, { runner, index }),
        diagonalFisher(model, params, data, { runner, index, labels: 'model' }),
      ]),
    );
    many.forEach((each, i) => {
      expect(each).toEqual(expected[i % 3]);
    });
  });

  it('reads images as bytes, leaves convolutions out, and adds up the uses of one weight', async () => {
    const { train } = syntheticTask('mnist', { seed: 2, trainSize: 70, testSize: 10 });
    const model = defineModel({ input: [1, 28, 28], classes: 10, name: 'small' }, (t, x) => {
      const pooled = t.maxPool(
        t.conv2d(x, { channels: 2, kernel: 5, stride: 4, activation: 'relu', name: 'conv' }),
      );
      const hidden = t.dense(t.dropout(t.flatten(pooled), 0.5), {
        units: 18,
        activation: 'relu',
        name: 'fc1',
      });
      const weight = t.param('shared', [18, 18]);
      const twice = t.matmul(t.matmul(hidden, weight), weight);
      return t.dense(twice, { units: 10, name: 'out' });
    });
    const images = { ...train, shape: [1, 28, 28] };
    const { layers } = await inputGrams(model, model.init(1), images, { runner });
    expect(layers.map(({ layer, layout, width }) => [layer, layout, width])).toEqual([
      ['fc1', 'out-in', 18],
      ['shared', 'in-out', 18],
      ['out', 'out-in', 18],
    ]);
    for (const { gram, width } of layers)
      for (let i = 0; i < width; i++) {
        expect(gram[i * width + i]).toBeGreaterThanOrEqual(0);
        for (let j = 0; j < i; j++) expect(gram[i * width + j]).toBe(gram[j * width + i]);
      }
  });
});

it('the Fisher over the model’s own labels is the mean over each label, by its probability', async () => {
  // Per example: sum_y p_y F_y, with F_y the empirical Fisher of one example that is labelled y.
  const model = mlp({ layers: [6, 5, 3], activation: 'tanh' });
  const params = model.init(8);
  const one = blobs({ size: 2 });
  const at = Uint32Array.of(1);
  const fisher = await diagonalFisher(model, params, one, { runner: reference, index: at, labels: 'model' });
  const x = [...gatherF32(one, at)];
  const layer = (name: string, from: number[]): number[] => {
    const weight = model.spec.slice(params, `${name}.weight`);
    const bias = model.spec.slice(params, `${name}.bias`);
    return Array.from(bias, (b, u) => from.reduce((sum, v, j) => sum + v * weight[u * from.length + j], b));
  };
  const scores = layer('fc2', layer('fc1', x).map(Math.tanh));
  const total = scores.reduce((sum, z) => sum + Math.exp(z), 0);
  const expected = new Float64Array(params.length);
  for (const label of [0, 1, 2]) {
    const labelled = { ...one, y: Int32Array.of(0, label) };
    const square = await diagonalFisher(model, params, labelled, { runner: reference, index: at });
    square.forEach((value, i) => {
      expected[i] += (Math.exp(scores[label]) / total) * value;
    });
  }
  expect(furthest(fisher, expected)).toBeLessThan(1e-6);
});

it('refuses what does not fit', async () => {
  const model = softmaxRegression(6, 3);
  const params = model.init(3);
  const options = { runner: reference };
  await expect(diagonalFisher(model, params.subarray(1), data, options)).rejects.toThrow(
    "params must be 21 values, as 'softmax-regression' has, received",
  );
  await expect(inputGrams(model, params, blobs({ features: 5 }), options)).rejects.toThrow(
    'data must be examples of 6 values',
  );
  for (const bad of [Uint32Array.of(), Uint32Array.of(3, 90)])
    await expect(diagonalFisher(model, params, data, { ...options, index: bad })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  // More than a call can have arguments.
  const long = new Uint32Array(200_000);
  long[150_000] = 90;
  await expect(inputGrams(model, params, data, { ...options, index: long })).rejects.toThrow(
    'index must be at least one example number below 90, received 90',
  );
});
