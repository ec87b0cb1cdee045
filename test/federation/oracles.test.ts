/** Runs against closed forms and against float64 code of the tests' own. */
import { describe, expect, it } from 'vitest';
import { type Dataset, dataset } from '../../src/data/dataset.js';
import type { SimulateOptions } from '../../src/federation/config/objects.js';
import { randomKey } from '../../src/kernels/address.js';
import { permutationU32 } from '../../src/kernels/reference/permutation.js';
import { softmaxRegression } from '../../src/nn/zoo.js';
import { blobs, options, runWith, simulate, trainer } from './fixtures.js';

interface Oracle {
  data: Dataset;
  lr: number;
  /** Proximal coefficient towards the start of the call. */
  mu?: number;
}

/** Softmax regression in float64, [classes x features] weights then biases; one SGD step per batch. */
function plainSgd(start: ArrayLike<number>, batches: readonly number[][], { data, lr, mu = 0 }: Oracle) {
  const { exampleSize: d, classes, x, y } = data;
  const w = Float64Array.from(start);
  for (const batch of batches) {
    const g = new Float64Array(w.length);
    for (const i of batch) {
      const logits = Array.from({ length: classes }, (_, c) => {
        let sum = w[classes * d + c];
        for (let j = 0; j < d; j++) sum += w[c * d + j] * x[i * d + j];
        return sum;
      });
      const top = Math.max(...logits);
      const total = logits.reduce((sum, z) => sum + Math.exp(z - top), 0);
      logits.forEach((z, c) => {
        const error = (Math.exp(z - top) / total - (y[i] === c ? 1 : 0)) / batch.length;
        for (let j = 0; j < d; j++) g[c * d + j] += error * x[i * d + j];
        g[classes * d + c] += error;
      });
    }
    for (let i = 0; i < w.length; i++) w[i] -= lr * (g[i] + mu * (w[i] - start[i]));
  }
  return w;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Largest distance between two vectors. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((far, value, i) => Math.max(far, Math.abs(value - b[i])), 0);
}

/** Batches of a client in a round, by the documented address of the shuffle: purpose batch, step epoch, site 0. */
function batchesOf(
  examples: readonly number[],
  batchSize: number,
  { round, client, epochs }: { round: number; client: number; epochs: number },
): number[][] {
  const batches: number[][] = [];
  const { key0, key1 } = randomKey(0, { purpose: 'batch', round, entity: client });
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = new Uint32Array(examples.length);
    permutationU32(order, key0, key1, epoch, 0);
    for (let i = 0; i < order.length; i += batchSize)
      batches.push(Array.from(order.subarray(i, i + batchSize), (at) => examples[at]));
  }
  return batches;
}

const split = (lists: number[][]) => ({ name: 'lists', partition: () => lists });
const linear = (data: Dataset, lists: number[][], rest: SimulateOptions = {}): SimulateOptions =>
  options({
    data: { source: data, partitioner: split(lists) },
    model: { type: 'softmax-regression' },
    ...rest,
    strategy: rest.strategy ?? { cohortSize: lists.length },
  });
const start = (data: Dataset): Float32Array => softmaxRegression(data.exampleSize, data.classes).init(0);
/** Rounding of float32 over a few dozen steps on weights of size 1; the formulas agree to it or are wrong. */
const kRounding = 2e-6;

describe('FedAvg', () => {
  it('with one epoch of full batches and all clients is full-batch gradient descent on the pooled data', async () => {
    const data = blobs({ size: 60 });
    const lists = [range(0, 10), range(10, 30), range(30, 60)];
    const result = await simulate(
      linear(data, lists, {
        client: { localEpochs: 1, batchSize: 'full', lr: 0.5 },
        strategy: { cohortSize: 3, weightedBy: 'num-examples' },
        run: { numServerRounds: 5 },
      }),
    );
    const expected = plainSgd(start(data), Array(5).fill(range(0, 60)), { data, lr: 0.5 });
    expect(distance(result.params, expected)).toBeLessThan(kRounding);
  });

  it('with one client is plain SGD over the shuffled batches, the short last one included', async () => {
    const data = blobs({ size: 22 });
    const result = await simulate(
      linear(data, [range(0, 22)], {
        client: { localEpochs: 2, batchSize: 4, lr: 0.3 },
        run: { numServerRounds: 3 },
      }),
    );
    const batches = [0, 1, 2].flatMap((round) => batchesOf(range(0, 22), 4, { round, client: 0, epochs: 2 }));
    expect(batches).toHaveLength(3 * 2 * 6);
    expect(distance(result.params, plainSgd(start(data), batches, { data, lr: 0.3 }))).toBeLessThan(
      kRounding,
    );
  });

  it('over two clients is the mean of two plain SGDs, each in an order of its own every round', async () => {
    const data = blobs({ size: 33 });
    const lists = [range(0, 14), range(14, 33)];
    const result = await simulate(
      linear(data, lists, {
        client: { localEpochs: 2, batchSize: 5, lr: 0.3 },
        run: { numServerRounds: 3 },
      }),
    );
    let w: ArrayLike<number> = start(data);
    for (let round = 0; round < 3; round++) {
      const [one, other] = lists.map((list, client) =>
        plainSgd(w, batchesOf(list, 5, { round, client, epochs: 2 }), { data, lr: 0.3 }),
      );
      w = one.map((value, i) => (value + other[i]) / 2);
    }
    expect(distance(result.params, w)).toBeLessThan(kRounding);
  });

  it('over identical clients with the same batch order is the single client, to the bit', async () => {
    const one = blobs({ size: 20 });
    const copies = dataset({
      x: Float32Array.from([...one.x, ...one.x, ...one.x]),
      y: [...one.y, ...one.y, ...one.y],
      shape: one.shape,
      classes: one.classes,
    });
    const client = { localEpochs: 3, batchSize: 4, lr: 0.3 } as const;
    const alone = await simulate(linear(one, [range(0, 20)], { client }));
    // Batch order is drawn by client; here all draw as client 0 does.
    const three = await runWith(
      linear(copies, [range(0, 20), range(20, 40), range(40, 60)], { client }),
      ({ trainer: local }) => ({
        trainer: { name: 'same order', train: (job) => local.train({ ...job, client: 0 }) },
      }),
    );
    expect(three.fingerprint).toBe(alone.fingerprint);
  });

  const weighed = (strategy: object, reduce: 'weighted-mean' | 'fixed-denominator'): Promise<number[]> => {
    const data = dataset({ x: new Float32Array(4), shape: [1], y: [0, 0, 0, 0], classes: 1 });
    return runWith(
      linear(data, [[0], [1, 2, 3]], {
        client: { trainer: trainer(({ client }) => Float32Array.from(client === 0 ? [1, 2] : [3, 6])) },
        strategy: { cohortSize: 2, weightedBy: 'num-examples', ...strategy },
        update: { reduce },
        run: { numServerRounds: 1 },
      }),
      ({ params }) => {
        params.fill(0);
        return {};
      },
    ).then(({ params }) => Array.from(params));
  };

  it('weighs by examples: sizes 1 and 3 with steps [1, 2] and [3, 6] give [2.5, 5]', async () => {
    expect(await weighed({}, 'weighted-mean')).toEqual([2.5, 5]);
    // Expected weight: two clients of two examples on average.
    expect(await weighed({}, 'fixed-denominator')).toEqual([2.5, 5]);
  });

  it('weighs by examples up to a cap, over clients times the cap where the denominator is fixed', async () => {
    expect(await weighed({ weightCap: 2 }, 'weighted-mean')).toEqual([
      Math.fround((1 + 2 * 3) / 3),
      Math.fround((2 + 2 * 6) / 3),
    ]);
    expect(await weighed({ weightCap: 2 }, 'fixed-denominator')).toEqual([7 / 4, 14 / 4]);
    expect(await weighed({ weightCap: 8 }, 'fixed-denominator')).toEqual([10 / 16, 20 / 16]);
  });
});

describe('two clients with the quadratics a/2 (w - b)^2, a = (1, 4), b = (0, 3)', () => {
  const a = [1, 4];
  const b = [0, 3];
  const data = dataset({ x: new Float32Array(2), shape: [1], y: [0, 0], classes: 1 });
  const run = (local: (w: number, client: number) => number, rounds: number, begin = 10): Promise<number> =>
    runWith(
      linear(data, [[0], [1]], {
        client: {
          trainer: trainer(({ params, client }) =>
            Float32Array.from([local(params[0], client) - params[0], 0]),
          ),
        },
        run: { numServerRounds: rounds },
      }),
      ({ params }) => {
        params.fill(begin);
        return {};
      },
    ).then(({ params }) => params[0]);
  const descent =
    (tau: number) =>
    (w: number, k: number): number => {
      let local = w;
      for (let step = 0; step < tau; step++) local -= 0.1 * a[k] * (local - b[k]);
      return local;
    };

  it('move to 4.72461 in one round of five local steps', async () => {
    expect(await run(descent(5), 1)).toBeCloseTo(4.72461, 5);
  });

  it.each([
    [1, 2.4],
    [5, 2.0775070396],
    [20, 1.5970567623],
  ])('settle at the biased point of %i local steps', async (tau, point) => {
    expect(Math.abs((await run(descent(tau), 150)) - point)).toBeLessThan(1e-6);
  });

  it.each([
    [1, 1.8461538462],
    [100, 2.3858267717],
  ])('settle at the point of exact FedProx with mu = %i', async (mu, point) => {
    const exact = (w: number, k: number): number => (a[k] * b[k] + mu * w) / (a[k] + mu);
    expect(Math.abs((await run(exact, 1500)) - point)).toBeLessThan(2e-5);
  });
});

describe('FedProx', () => {
  const data = blobs({ size: 40 });
  const lists = [range(0, 40)];
  const client = { localEpochs: 8, batchSize: 'full', lr: 0.3 } as const;
  const proximal = async (mu: number) => {
    const { defineStrategy } = await import('../../src/federation/strategies/strategy.js');
    const { weightedMean } = await import('../../src/combine/reducers.js');
    const { sgd } = await import('../../src/federation/strategies/server-optimizer.js');
    const strategy = defineStrategy({
      name: 'fedprox',
      client: { proximal: mu },
      aggregate: { transforms: [], reduce: weightedMean(), serverOptimizer: sgd({ lr: 1 }) },
    });
    return simulate(linear(data, lists, { client, strategy: { type: strategy, cohortSize: 1 } }));
  };

  it('adds mu (w - received) to the gradient', async () => {
    let w: ArrayLike<number> = start(data);
    for (let round = 0; round < 4; round++)
      w = plainSgd(w, Array(8).fill(range(0, 40)), { data, lr: 0.3, mu: 0.7 });
    expect(distance((await proximal(0.7)).params, w)).toBeLessThan(kRounding);
  });

  it('with mu = 0 is FedAvg, to the bit', async () => {
    expect((await proximal(0)).fingerprint).toBe(
      (await simulate(linear(data, lists, { client }))).fingerprint,
    );
  });
});

describe('FedAvgM', () => {
  it('with momentum 0 is FedAvg, to the bit', async () => {
    const momentum = await simulate(
      options({ strategy: { type: 'fedavgm', cohortSize: 6, serverMomentum: 0 } }),
    );
    expect(momentum.fingerprint).toBe((await simulate(options())).fingerprint);
  });

  it.each([false, true])(
    'moves by the closed form under a constant update (nesterov %s)',
    async (nesterov) => {
      const [beta, rounds, step] = [0.75, 9, 0.5];
      const { params } = await runWith(
        options({
          client: { trainer: trainer((job) => new Float32Array(job.params.length).fill(step)) },
          strategy: { type: 'fedavgm', cohortSize: 6, serverMomentum: beta, serverNesterov: nesterov },
          run: { numServerRounds: rounds },
        }),
        (setup) => {
          setup.params.fill(0);
          return {};
        },
      );
      const moved = (r: number): number => (step * (r - (beta * (1 - beta ** r)) / (1 - beta))) / (1 - beta);
      // Nesterov looks one step ahead: it moves by beta v + D, which is v of the next round.
      const expected = nesterov ? moved(rounds + 1) - step : moved(rounds);
      expect(distance(params, Array(params.length).fill(expected))).toBeLessThan(1e-5);
    },
  );
});

describe('local optimisers', () => {
  it('momentum starts anew every round', async () => {
    const data = blobs({ size: 30 });
    const batches = range(0, 30);
    const result = await simulate(
      linear(data, [batches], {
        client: { localEpochs: 3, batchSize: 'full', lr: 0.2, optimizer: 'sgdm', momentum: 0.8 },
        run: { numServerRounds: 2 },
      }),
    );
    let w = Float64Array.from(start(data));
    for (let round = 0; round < 2; round++) {
      let velocity = new Float64Array(w.length);
      for (let epoch = 0; epoch < 3; epoch++) {
        const gradient = plainSgd(w, [batches], { data, lr: 1 }).map((value, i) => w[i] - value);
        velocity = velocity.map((v, i) => 0.8 * v + gradient[i]);
        w = w.map((value, i) => value - 0.2 * velocity[i]);
      }
    }
    expect(distance(result.params, w)).toBeLessThan(kRounding);
  });
});
