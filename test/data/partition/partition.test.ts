import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, dataset } from '../../../src/data/dataset.js';
import { EmptyClientError, PartitionError } from '../../../src/data/errors.js';
import { loadMnist } from '../../../src/data/mnist.node.js';
import { type PartitionSpec, partition, partitionToJson } from '../../../src/data/partition/index.js';
import { InvalidArgumentError } from '../../../src/errors.js';

/** Labels are all a partition looks at. */
const labelled = (y: ArrayLike<number>, classes: number, clientOf?: ArrayLike<number | string>): Dataset =>
  dataset({ name: 'labels', x: new Uint8Array(y.length), shape: [1], y, classes, clientOf });
const inTurn = (size: number, classes: number) =>
  labelled(
    Array.from({ length: size }, (_, i) => i % classes),
    classes,
  );

/** Every example once, in a client's list or in the leftover; every list ascending. */
function expectDisjointCover(data: Dataset, made: Awaited<ReturnType<typeof partition>>): void {
  const lists = [...made.clients, made.leftover].map((list) => Array.from(list));
  for (const list of lists) expect(list).toEqual([...list].sort((a, b) => a - b));
  expect(lists.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: data.size }, (_, i) => i));
}

describe('partition', () => {
  const labels = fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 120 }))
    .chain(([classes, size]) =>
      fc.tuple(
        fc.constant(classes),
        fc.array(fc.nat(classes - 1), { minLength: size, maxLength: size }),
        fc.integer({ min: 1, max: size }),
      ),
    );
  const scheme = fc.constantFrom('iid' as const, 'shards' as const, 'dirichlet' as const, 'natural' as const);

  it('is disjoint, covers all examples with the leftover, and reports what it made', async () => {
    await fc.assert(
      fc.asyncProperty(labels, scheme, fc.nat(1000), async ([classes, y, numPartitions], type, seed) => {
        const data = labelled(
          y,
          classes,
          y.map((_, i) => i % numPartitions),
        );
        const spec: PartitionSpec =
          type === 'natural'
            ? { type }
            : type === 'dirichlet'
              ? { type, numPartitions, alpha: 0.5 }
              : type === 'shards'
                ? { type, numPartitions, shardsPerClient: 1 }
                : { type, numPartitions };
        const made = await partition(data, spec, seed);
        expectDisjointCover(data, made);
        expect(made.numClients).toBe(numPartitions);
        expect(Array.from(made.report.sizes)).toEqual(made.clients.map((c) => c.length));
        made.clients.forEach((mine, k) => {
          const counts = new Array(classes).fill(0);
          for (const i of mine) counts[y[i]]++;
          expect(Array.from(made.report.labelCounts.subarray(k * classes, (k + 1) * classes))).toEqual(
            counts,
          );
          expect(made.report.totalVariation[k]).toBeGreaterThanOrEqual(0);
          expect(made.report.totalVariation[k]).toBeLessThanOrEqual(1);
        });
        expect(made.report.leftoverExamples).toBe(made.leftover.length);
      }),
      { seed: 2, numRuns: 150 },
    );
  });

  it('depends on the seed alone, and says so by its hash', async () => {
    const data = inTurn(200, 10);
    for (const spec of [
      { type: 'iid', numPartitions: 7 },
      { type: 'shards', numPartitions: 10 },
      { type: 'dirichlet', numPartitions: 10, alpha: 1 },
    ] as const) {
      const first = await partition(data, spec, 5);
      const again = await partition(data, spec, '5');
      const other = await partition(data, spec, 6);
      expect(again.hash).toBe(first.hash);
      expect(again.indices).toEqual(first.indices);
      expect(other.hash).not.toBe(first.hash);
    }
  });

  it('hashes the canonical little-endian words', async () => {
    const made = await partition(labelled([0, 0, 0, 0, 0], 1, [1, 0, 1, 0, 0]), { type: 'natural' }, 0);
    // size 5, 2 clients, {1, 3, 4}, {0, 2}, no leftover
    const words = Buffer.from(Uint32Array.of(5, 2, 3, 1, 3, 4, 2, 0, 2, 0).buffer);
    expect(made.hash).toBe(createHash('sha256').update(words).digest('hex'));
  });

  it('keeps indices in shared memory, and gives views on them', async () => {
    const made = await partition(inTurn(20, 2), { type: 'iid', numPartitions: 3 }, 0);
    expect(made.indices.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(made.client(1).buffer).toBe(made.indices.buffer);
    expect(made.client(1)).toEqual(made.clients[1]);
    expect(() => made.client(3)).toThrow(InvalidArgumentError);
  });

  it('reports closed forms of entropy and distance', async () => {
    // Owner 0 has one label of four: entropy 0, distance 3/4. Owner 1 has all four equally: ln 4, 0 when p is uniform.
    const y = [0, 0, 0, 0, 0, 1, 2, 3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3];
    const owner = y.map((_, i) => (i < 4 ? 0 : i < 8 ? 1 : 2));
    const { report } = await partition(labelled(y, 4, owner), { type: 'natural' }, 0);
    expect(report.entropy[0]).toBe(0);
    expect(report.entropy[1]).toBeCloseTo(Math.log(4), 14);
    expect(report.totalVariation[0]).toBeCloseTo(0.75, 14);
    expect(report.totalVariation[1]).toBeCloseTo(0, 14);
    expect(report.totalVariation[2]).toBeCloseTo(0.25, 14);
    expect(report.earthMovers[0]).toBeCloseTo(1.5, 14);
    expect(report.meanTotalVariation).toBeCloseTo(1 / 3, 14);
  });

  it('writes plain values', async () => {
    const made = await partition(inTurn(9, 3), { type: 'shards', numPartitions: 2, shardsPerClient: 2 }, 1);
    const json = JSON.parse(JSON.stringify(partitionToJson(made)));
    expect(json).toMatchObject({ type: 'shards', hash: made.hash, parameters: { shardSize: 2 } });
    expect(json.clients.flat().concat(json.leftover)).toHaveLength(9);
    expect(json.report.labelCounts).toHaveLength(2);
    expect(json.report.leftoverExamples).toBe(1);
  });

  it('refuses a scheme it does not know and numbers out of range', async () => {
    const data = inTurn(20, 2);
    const bad = [
      { type: 'dirichelt', numPartitions: 2, alpha: 1 },
      { type: 'iid', numPartitions: 0 },
      { type: 'iid', numPartitions: 1.5 },
      { type: 'shards', numPartitions: 2, shardsPerClient: 0 },
      { type: 'shards', numPartitions: 2, shardSize: -1 },
      { type: 'dirichlet', numPartitions: 2, alpha: 0 },
      { type: 'dirichlet', numPartitions: 2, alpha: Number.NaN },
    ];
    for (const spec of bad)
      await expect(partition(data, spec as PartitionSpec, 0), JSON.stringify(spec)).rejects.toThrow(
        InvalidArgumentError,
      );
  });

  it('names the client that would be empty', async () => {
    const data = inTurn(5, 2);
    await expect(partition(data, { type: 'iid', numPartitions: 6 }, 0)).rejects.toMatchObject({
      code: 'ERR_EMPTY_CLIENT',
      client: 5,
    });
    await expect(partition(data, { type: 'shards', numPartitions: 3 }, 0)).rejects.toThrow(EmptyClientError);
    await expect(partition(data, { type: 'dirichlet', numPartitions: 6, alpha: 1 }, 0)).rejects.toThrow(
      EmptyClientError,
    );
  });

  it('refuses to hand out more than there is', async () => {
    const data = inTurn(100, 10);
    await expect(
      partition(data, { type: 'shards', numPartitions: 10, shardsPerClient: 2, shardSize: 6 }, 0),
    ).rejects.toThrow(/10 clients x 2 shards x 6 examples = 120, but the data set has 100[\s\S]*at most 5/);
    await expect(
      partition(data, { type: 'dirichlet', numPartitions: 10, alpha: 1, partitionSize: 11 }, 0),
    ).rejects.toThrow(PartitionError);
    await expect(partition(data, { type: 'natural' }, 0)).rejects.toThrow(/clientOf/);
  });
});

describe('iid', () => {
  it('gives one more to the first N mod K clients', async () => {
    const { report, leftover } = await partition(inTurn(103, 10), { type: 'iid', numPartitions: 10 }, 3);
    expect(Array.from(report.sizes)).toEqual([11, 11, 11, 10, 10, 10, 10, 10, 10, 10]);
    expect(leftover).toHaveLength(0);
  });

  it('mixes labels: a chi-square over clients and labels is unsuspicious', async () => {
    // 20 clients x 10 labels, 60 expected in each cell: 171 degrees of freedom; above 276 with probability 6e-7.
    const { report } = await partition(inTurn(12_000, 10), { type: 'iid', numPartitions: 20 }, 4);
    const chiSquare = report.labelCounts.reduce((sum, count) => sum + (count - 60) ** 2 / 60, 0);
    expect(chiSquare).toBeLessThan(276);
    expect(chiSquare).toBeGreaterThan(90);
  });
});

describe('shards', () => {
  it('deals whole shards of the examples in label order', async () => {
    const y = [1, 0, 1, 0, 2, 2, 0, 1, 2];
    const made = await partition(labelled(y, 3), { type: 'shards', numPartitions: 3, shardsPerClient: 1 }, 9);
    // Stable order by label: 1 3 6 | 0 2 7 | 4 5 8.
    const lists = made.clients.map((mine) => Array.from(mine).join(' ')).sort();
    expect(lists).toEqual(['0 2 7', '1 3 6', '4 5 8']);
  });

  it('leaves over the end of the order', async () => {
    const y = [1, 0, 1, 0, 1];
    const made = await partition(labelled(y, 2), { type: 'shards', numPartitions: 2, shardsPerClient: 1 }, 0);
    expect(Array.from(made.leftover)).toEqual([4]);
  });
});

describe('MNIST', () => {
  let train: Dataset;
  beforeAll(async () => {
    train = (await loadMnist()).train;
  });

  it('in 200 shards of 300: 100 clients of 600, mostly two digits, mean total variation about 0.80', async () => {
    const { report, leftover, parameters } = await partition(
      train,
      { type: 'shards', numPartitions: 100 },
      0,
    );
    expect(parameters).toEqual({ shardsPerClient: 2, shardSize: 300 });
    expect(leftover).toHaveLength(0);
    expect(new Set(report.sizes)).toEqual(new Set([600]));
    const digits = Array.from({ length: 100 }, (_, k) =>
      Array.from(report.labelCounts.subarray(k * 10, (k + 1) * 10)).filter((count) => count > 0),
    ).map((present) => present.length);
    expect(Math.max(...digits)).toBeLessThanOrEqual(4);
    expect(digits.filter((d) => d === 2).length).toBeGreaterThan(50);
    // 0.80 for exactly two balanced digits; one-digit clients raise it to 0.9 and straddling shards lower it.
    expect(report.meanTotalVariation).toBeGreaterThan(0.78);
    expect(report.meanTotalVariation).toBeLessThan(0.83);
  });

  it('by Dirichlet: near IID for large alpha, near one digit for small alpha', async () => {
    const spread = async (alpha: number) =>
      (await partition(train, { type: 'dirichlet', numPartitions: 50, alpha, partitionSize: 300 }, 1)).report;
    const even = await spread(1e5);
    const skewed = await spread(1e-3);
    // Sampling noise of 300 draws alone: mean |p_k - p| summed is about 10 * 0.8 * sqrt(0.09 / 300) / 2 = 0.07.
    expect(even.meanTotalVariation).toBeLessThan(0.1);
    expect(skewed.meanTotalVariation).toBeGreaterThan(0.85);
    expect(skewed.meanEntropy).toBeLessThan(0.1);
    expect(new Set(even.sizes)).toEqual(new Set([300]));
  });

  it('by Dirichlet: counts have the mean and variance of the Dirichlet-multinomial', async () => {
    // 600 clients x 20 examples of 60,000: no class runs out. Counts: mean n p, variance n p (1 - p) (n + alpha) / (1 + alpha).
    const alpha = 1;
    const clients = 600;
    const n = 20;
    const spec: PartitionSpec = { type: 'dirichlet', numPartitions: clients, alpha, partitionSize: n };
    const { report, parameters } = await partition(train, spec, 2);
    expect(parameters.family).toBe('by-client');
    const concentration = parameters.concentration as number[];
    expect(concentration.reduce((a, b) => a + b, 0)).toBeCloseTo(alpha, 12);
    concentration.forEach((p, c) => {
      let sum = 0;
      let square = 0;
      let fourth = 0;
      for (let k = 0; k < clients; k++) {
        const count = report.labelCounts[k * 10 + c];
        sum += count;
        square += (count - n * p) ** 2;
        fourth += (count - n * p) ** 4;
      }
      const variance = (n * p * (1 - p) * (n + alpha)) / (1 + alpha);
      // Five standard errors each (that of the variance from the sample's fourth moment), twenty comparisons: false
      // alarm about 1e-5. Later clients see pools thinner by at most a fifth, which these bounds do not resolve.
      expect(Math.abs(sum / clients - n * p)).toBeLessThan(5 * Math.sqrt(variance / clients));
      const spread = fourth / clients - (square / clients) ** 2;
      expect(Math.abs(square / clients - variance)).toBeLessThan(5 * Math.sqrt(spread / clients));
    });
  });

  it('by Dirichlet: hands out everything although classes run out', async () => {
    const made = await partition(train, { type: 'dirichlet', numPartitions: 100, alpha: 0.1 }, 3);
    expect(new Set(made.report.sizes)).toEqual(new Set([600]));
    expect(made.leftover).toHaveLength(0);
    expect(new Set(made.indices).size).toBe(60_000);
  });
});
