import { describe, expect, it } from 'vitest';
import { cifar10Cnn, femnistCnn, mlp, mnistCnn, softmaxRegression } from '../../src/nn/zoo.js';

describe('standard models', () => {
  // Counts of simulation tasks as published; each is the sum over layers of inputs * outputs + outputs.
  it.each([
    ['softmax regression', softmaxRegression(), 7_850],
    ['2NN', mlp(), 199_210],
    ['MNIST CNN', mnistCnn(), 1_663_370],
    ['MNIST CNN, 62 classes', mnistCnn(62), 1_690_046],
    ['CIFAR-10 CNN', cifar10Cnn(), 1_626_442],
    ['FEMNIST CNN', femnistCnn(), 1_206_590],
    ['FEMNIST CNN, 10 classes', femnistCnn(10), 1_199_882],
  ] as const)('%s has %i parameters', (_, model, count) => {
    expect(model.spec.size).toBe(count);
    expect(model.init(0).length).toBe(count);
  });

  it('names layers, shapes and unit groups as PyTorch users would', () => {
    const { spec, hiddenGroups } = mnistCnn();
    expect(spec.entries.map(({ name, shape, kind }) => [name, shape, kind])).toEqual([
      ['conv1.weight', [32, 1, 5, 5], 'weight'],
      ['conv1.bias', [32], 'bias'],
      ['conv2.weight', [64, 32, 5, 5], 'weight'],
      ['conv2.bias', [64], 'bias'],
      ['fc1.weight', [512, 3136], 'weight'],
      ['fc1.bias', [512], 'bias'],
      ['fc2.weight', [10, 512], 'weight'],
      ['fc2.bias', [10], 'bias'],
    ]);
    expect(spec.get('fc1.weight').axes).toEqual([
      { group: 'fc1.out', units: 512, inner: 1 },
      { group: 'conv2.out', units: 64, inner: 49 },
    ]);
    expect(hiddenGroups).toEqual(['conv1.out', 'conv2.out', 'fc1.out']);
    expect(mlp().hiddenGroups).toEqual(['fc1.out', 'fc2.out']);
    expect(softmaxRegression().hiddenGroups).toEqual([]);
  });

  it('starts at Glorot-uniform weights and zero biases, decided by the seed alone', () => {
    const model = mlp();
    const values = model.init(7);
    expect(model.init(7)).toEqual(values);
    expect(model.init('7')).toEqual(values);
    expect(model.init(8)).not.toEqual(values);
    for (const layer of ['fc1', 'fc2', 'fc3']) {
      const { shape } = model.spec.get(`${layer}.weight`);
      const weight = model.spec.slice(values, `${layer}.weight`);
      const limit = Math.sqrt(6 / (shape[0] + shape[1]));
      const variance = weight.reduce((sum, w) => sum + w * w, 0) / weight.length;
      const mean = weight.reduce((sum, w) => sum + w, 0) / weight.length;
      expect(weight.every((w) => Math.abs(w) <= limit * (1 + 1e-6))).toBe(true);
      // Uniform on (-l, l): variance l^2 / 3; five standard errors of 2,000 to 156,800 samples.
      const error = 5 / Math.sqrt(weight.length);
      expect(Math.abs(variance / (limit ** 2 / 3) - 1)).toBeLessThan(error);
      expect(Math.abs(mean)).toBeLessThan(error * limit);
      expect(model.spec.slice(values, `${layer}.bias`).every((b) => b === 0)).toBe(true);
    }
  });

  it('gives tensors independent start values', () => {
    const model = mlp({ layers: [200, 200, 200] });
    const values = model.init(1);
    const [a, b] = ['fc1.weight', 'fc2.weight'].map((name) => model.spec.slice(values, name));
    const dot = a.reduce((sum, v, i) => sum + v * b[i], 0);
    const norms = a.reduce((sum, v) => sum + v * v, 0) * b.reduce((sum, v) => sum + v * v, 0);
    expect(Math.abs(dot) / Math.sqrt(norms)).toBeLessThan(5 / Math.sqrt(40_000));
  });
});
