// Our side of the peers' `train`: one local job, from the same weights, on the same examples in the same order.
import { prepareLocalJob, runnerFor } from '../dist/cli/bench/local-job.js';

import { dataset, withShape } from '../dist/data/dataset.js';
import { loadMnist } from '../dist/data/mnist.node.js';
import { cifar10Cnn, mlp, mnistCnn, softmaxRegression } from '../dist/nn/zoo.js';
import { defineModel } from '../dist/program/model.js';
import { fillUniform } from './our-kernels.mjs';

const MODELS = {
  'mnist-lr': softmaxRegression,
  '2nn': mlp,
  'mnist-cnn': mnistCnn,
  'cifar10-cnn': cifar10Cnn,
};

/** The CIFAR-10 network without its dropout: masks differ between generators, and a result can only be compared without. */
function cifarWithoutDropout() {
  return defineModel({ input: [3, 32, 32], classes: 10, name: 'cifar10-cnn-plain' }, (t, x) => {
    const conv1 = t.conv2d(x, { channels: 32, kernel: 3, activation: 'relu', name: 'conv1' });
    const conv2 = t.conv2d(conv1, { channels: 64, kernel: 3, activation: 'relu', name: 'conv2' });
    const hidden = t.dense(t.flatten(t.maxPool(conv2)), { units: 128, activation: 'relu', name: 'fc1' });
    return t.dense(hidden, { units: 10, name: 'fc2' });
  });
}

let mnist;

async function examples(model, count) {
  if (model.input.length === 3 && model.input[0] === 3) {
    const x = fillUniform(new Float32Array(count * model.inputSize), 3);
    const y = Uint8Array.from({ length: count }, (_, i) => i % 10);
    return dataset({ x, shape: model.input, y, classes: 10 });
  }
  mnist ??= (await loadMnist()).train;
  return withShape(mnist, model.input);
}

/** Tensor j holds the hash of seed 100 + j, scaled to Glorot's range; biases are zero. */
function initialWeights(model) {
  const values = new Float32Array(model.spec.size);
  model.spec.entries.forEach(({ shape, offset, size }, j) => {
    if (shape.length < 2) return;
    const field = shape.slice(2).reduce((a, b) => a * b, 1);
    const range = Math.fround(2 * Math.sqrt(6 / (shape[1] * field + shape[0] * field)));
    const tensor = fillUniform(values.subarray(offset, offset + size), 100 + j);
    for (let i = 0; i < size; i++) tensor[i] *= range;
  });
  return values;
}

/** One local job on one thread of a back end: `run` (asynchronous), `results`, `dispose`, and how many steps it takes. */
export async function prepareTraining(kernels, args) {
  const dense = args.model === 'mnist-lr' || args.model === '2nn';
  const batch = args.batch ?? 10;
  const steps = args.steps ?? (dense ? Math.max(2, Math.floor(600 / batch)) : 6);
  const plain = args.model === 'cifar10-cnn' && args.dropout === false;
  const model = plain ? cifarWithoutDropout() : MODELS[args.model]();
  const data = await examples(model, steps * batch);
  const runner = runnerFor(kernels);
  const job = prepareLocalJob(runner, {
    model,
    data,
    batchSize: batch,
    steps,
    lr: args.lr ?? (dense ? 0.1 : 0.05),
    initial: initialWeights(model),
  });
  return {
    steps,
    run: () => job.run(),
    results: () => [{ weights: job.result() }],
    dispose: () => runner.dispose(),
  };
}
