import { describe, expect, it } from 'vitest';
import { countLabels, type Dataset, gatherF32 } from '../../src/data/dataset.js';
import { syntheticTask, syntheticTwins } from '../../src/data/synthetic.js';
import { InvalidArgumentError } from '../../src/errors.js';

/** Accuracy of softmax regression after some epochs of plain SGD, batch 10. */
function linearAccuracy(train: Dataset, test: Dataset, epochs: number, lr: number): number {
  const inputs = train.exampleSize;
  const { classes } = train;
  const w = new Float64Array(classes * (inputs + 1));
  const gradient = new Float64Array(w.length);
  const score = (x: Float32Array, at: number): Float64Array => {
    const z = new Float64Array(classes);
    for (let c = 0; c < classes; c++) {
      let sum = w[c * (inputs + 1) + inputs];
      for (let i = 0; i < inputs; i++) sum += w[c * (inputs + 1) + i] * x[at + i];
      z[c] = sum;
    }
    return z;
  };
  for (let epoch = 0; epoch < epochs; epoch++)
    for (let start = 0; start < train.size; start += 10) {
      const batch = Array.from({ length: Math.min(10, train.size - start) }, (_, b) => start + b);
      const x = gatherF32(train, batch);
      gradient.fill(0);
      batch.forEach((example, b) => {
        const z = score(x, b * inputs);
        const top = Math.max(...z);
        const e = z.map((v) => Math.exp(v - top));
        const total = e.reduce((sum, v) => sum + v, 0);
        for (let c = 0; c < classes; c++) {
          const g = e[c] / total - (train.y[example] === c ? 1 : 0);
          for (let i = 0; i < inputs; i++) gradient[c * (inputs + 1) + i] += g * x[b * inputs + i];
          gradient[c * (inputs + 1) + inputs] += g;
        }
      });
      for (let i = 0; i < w.length; i++) w[i] -= (lr / batch.length) * gradient[i];
    }
  const x = gatherF32(
    test,
    Array.from({ length: test.size }, (_, i) => i),
  );
  let right = 0;
  for (let i = 0; i < test.size; i++) {
    const z = score(x, i * inputs);
    if (z.indexOf(Math.max(...z)) === test.y[i]) right++;
  }
  return right / test.size;
}

describe('syntheticTask', () => {
  it('has the sizes, shape and classes of the task', () => {
    const { train, test } = syntheticTask('mnist', { seed: 0 });
    expect([train.size, test.size, train.classes]).toEqual([60_000, 10_000, 10]);
    expect(train.shape).toEqual([1, 28, 28]);
    expect(train.x).toBeInstanceOf(Uint8Array);
    expect(Array.from(countLabels(train))).toEqual(new Array(10).fill(6000));
    expect(syntheticTwins.cifar10).toMatchObject({ shape: [3, 32, 32], trainSize: 50_000, testSize: 10_000 });
  });

  it('is a function of the seed, and small sets are prefixes of large ones', () => {
    const a = syntheticTask('cifar10', { seed: 7, trainSize: 40, testSize: 10 });
    const b = syntheticTask('cifar10', { seed: '7', trainSize: 25, testSize: 10 });
    const c = syntheticTask('cifar10', { seed: 8, trainSize: 25, testSize: 10 });
    expect(a.train.x.slice(0, b.train.x.length)).toEqual(b.train.x.slice());
    expect(a.test.x).toEqual(b.test.x);
    expect(c.train.x).not.toEqual(b.train.x);
    expect(a.test.x).not.toEqual(a.train.x.slice(0, a.test.x.length));
  });

  it('can be learned by a linear model past 90 %, but is not solved by it', () => {
    for (const seed of [0, 3]) {
      const { train, test } = syntheticTask('mnist', { seed, trainSize: 5000, testSize: 1000 });
      const accuracy = linearAccuracy(train, test, 2, 0.1);
      expect(accuracy).toBeGreaterThan(0.9);
      expect(accuracy).toBeLessThan(0.995);
    }
  });

  it('is learnable in colour too', () => {
    const { train, test } = syntheticTask('cifar10', { seed: 1, trainSize: 3000, testSize: 500 });
    const accuracy = linearAccuracy(train, test, 2, 0.05);
    expect(accuracy).toBeGreaterThan(0.9);
    expect(accuracy).toBeLessThan(1);
  });

  it('takes shapes of other tasks, single pixels too', () => {
    const form = { name: 'dot', shape: [1, 1, 5], classes: 3, trainSize: 7, testSize: 2 } as const;
    const { train } = syntheticTask(form, { seed: 0 });
    expect([train.size, train.exampleSize]).toEqual([7, 5]);
    expect(Array.from(train.y)).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  it('refuses sizes below 1', () => {
    expect(() => syntheticTask('mnist', { seed: 0, trainSize: 0 })).toThrow(InvalidArgumentError);
    expect(() => syntheticTask('mnist', { seed: 0, testSize: 1.5 })).toThrow(InvalidArgumentError);
  });
});
