/** The update pipeline inside runs: identities, noise, sizes on the wire, refresh, what is counted. */
import { describe, expect, it } from 'vitest';
import { dataset } from '../../src/data/dataset.js';
import type { SimulateOptions } from '../../src/federation/config/objects.js';
import { clip } from '../../src/update/clip.js';
import { fisherDropout } from '../../src/update/fisher-dropout.js';
import { gaussianNoise } from '../../src/update/gaussian-noise.js';
import { quantize } from '../../src/update/quantize.js';
import type { Stage } from '../../src/update/stage.js';
import { allow, fullPipeline, options, runWith, simulate, task, trainer, watch } from './fixtures.js';

const zeros = trainer(({ params }) => new Float32Array(params.length));
const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

describe('a pipeline that changes nothing', () => {
  it('is the plain run, to the bit: empty, dropout rate 0, a clip that nobody reaches', async () => {
    const plain = (await simulate(options())).fingerprint;
    const idle: NonNullable<SimulateOptions['update']>['pipeline'][] = [
      [],
      [{ fisherDropout: { rates: [0], selection: 'public-random' } }],
      [{ fisherDropout: { rates: [0], selection: 'private-fisher' } }],
      [{ clip: { maxNorm: 1e6 } }],
    ];
    for (const pipeline of idle) {
      const run = await simulate(options({ update: { pipeline }, privacy: allow }));
      expect(run.fingerprint).toBe(plain);
    }
  });

  it('uniform weights give the same mean with a fixed denominator, to the bit', async () => {
    const fixed = await simulate(options({ update: { reduce: 'fixed-denominator' } }));
    expect(fixed.fingerprint).toBe((await simulate(options())).fingerprint);
  });
});

describe('clip', () => {
  it('bounds what one round moves the model, and the metrics tell', async () => {
    const { rounds, result } = await watch(
      options({ update: { pipeline: [{ clip: { maxNorm: 0.01 } }] }, run: { numServerRounds: 3 } }),
    );
    expect(result).toBeDefined();
    for (const { metrics, detail } of rounds) {
      expect(metrics['server/update-norm']).toBeLessThanOrEqual(0.01);
      expect(metrics['server/update-norm']).toBeGreaterThan(0.001);
      expect(metrics['update/norm-max']).toBeLessThanOrEqual(0.01);
      expect(detail?.norms?.maxNorm).toBe(0.01);
    }
  });
});

describe('central noise', () => {
  const noisy = (extra: object, maxNorm = 2): NonNullable<Parameters<typeof options>[0]>['update'] => ({
    reduce: 'fixed-denominator',
    pipeline: [
      { clip: { maxNorm } },
      { gaussianNoise: { where: 'server', noiseMultiplier: 1.5, source: 'simulation', ...extra } },
    ],
  });

  it('has standard deviation z S / C for noise cohort C, within 1 %', async () => {
    // 1,001,000 draws under a fixed seed: the sample's standard deviation scatters by 0.07 %, so that 1 % is 14 of its
    // deviations; a false alarm under a random seed has a chance below 1e-40.
    const data = dataset({ x: new Float32Array(3000), shape: [1000], y: [0, 1, 999], classes: 1000 });
    // Two rounds of independent noise add up to sqrt(2) of one; the same noise twice would be 2.
    for (const [extra, denominator, nRounds] of [
      [{ noiseCohortSize: 500 }, 500, 1],
      [{}, 3, 2],
    ] as const) {
      const { rounds, result } = await watch(
        options({
          data: { source: data, partitioner: { type: 'iid', numPartitions: 3 } },
          model: { type: 'softmax-regression' },
          client: { trainer: zeros },
          strategy: { cohortSize: 3 },
          update: noisy(extra),
          backend: { type: 'wasm', workers: 1 },
          run: { numServerRounds: nRounds, seed: 5 },
          privacy: allow,
        }),
      );
      if (!result) throw new Error('no result');
      const { softmaxRegression } = await import('../../src/nn/zoo.js');
      const noise = softmaxRegression(1000, 1000)
        .init(5)
        .map((value, i) => result.params[i] - value);
      const stddev = (1.5 * 2) / denominator;
      expect(noise).toHaveLength(1_001_000);
      const ratio = norm(noise) / Math.sqrt(noise.length) / stddev / Math.sqrt(nRounds);
      expect(Math.abs(ratio - 1)).toBeLessThan(0.01);
      expect(rounds[0].metrics['privacy/noise-std']).toBe(stddev);
    }
  });

  it('is added in rounds in which no client takes part', async () => {
    const { rounds, result } = await watch(
      options({
        client: { trainer: zeros },
        strategy: { cohortSize: 1, sampling: 'poisson' },
        update: noisy({}),
        run: { numServerRounds: 12 },
        privacy: allow,
      }),
    );
    expect(result?.summary.rounds).toBe(12);
    const empty = rounds.filter(({ metrics }) => metrics['clients/selected'] === 0);
    expect(empty.length).toBeGreaterThan(0);
    // d = 83 parameters: the norm lies within 4 of its deviations, std sqrt(d) (1 +- 4 / sqrt(2 d)).
    for (const { metrics } of empty) {
      const ratio = metrics['server/update-norm'] / (3 * Math.sqrt(83));
      expect(Math.abs(ratio - 1)).toBeLessThan(4 / Math.sqrt(2 * 83));
    }
  });

  it('an empty Poisson cohort without noise leaves the model as it was', async () => {
    const { rounds } = await watch(
      options({ strategy: { cohortSize: 1, sampling: 'poisson' }, run: { numServerRounds: 12 } }),
    );
    const empty = rounds.filter(({ metrics }) => metrics['clients/selected'] === 0);
    expect(empty.length).toBeGreaterThan(0);
    for (const { metrics } of empty) expect(metrics['server/update-norm']).toBe(0);
  });

  it('is added to the step of a strategy that is a function, and its updates are clipped', async () => {
    const seen: number[] = [];
    const { rounds, result, error } = await watch(
      options({
        client: { trainer: trainer(({ params }) => new Float32Array(params.length).fill(1)) },
        strategy: {
          cohortSize: 6,
          type: {
            name: 'nothing',
            async aggregate(updates, { size }) {
              for await (const { update } of updates) seen.push(norm(update));
              return new Float32Array(size);
            },
          } satisfies import('../../src/federation/strategies/strategy.js').Strategy,
        },
        update: { pipeline: noisy({})?.pipeline },
        run: { numServerRounds: 1 },
        privacy: allow,
      }),
    );
    expect(error).toBeUndefined();
    expect(result?.summary.privacy.epsilon).toBe(Number.POSITIVE_INFINITY);
    expect(seen).toHaveLength(6);
    for (const value of seen) expect(value).toBeCloseTo(2, 5);
    expect(rounds[0].metrics['server/update-norm']).toBeGreaterThan(0.5 * Math.sqrt(83) * 0.5);
  });
});

it('stages made in code are the stages of a configuration: same bytes, same words about privacy', async () => {
  const named = await simulate(options({ update: fullPipeline, privacy: allow }));
  const made = await simulate(
    options({
      update: {
        reduce: 'fixed-denominator',
        pipeline: [
          fisherDropout({ rates: [0, 0.25, 0.5], refreshEvery: 2 }),
          clip({ maxNorm: 0.5 }),
          quantize({ format: 'int8', block: 16 }),
          gaussianNoise({ where: 'server', noiseMultiplier: 0.5, maxNorm: 0.5, source: 'simulation' }),
        ],
      },
      privacy: allow,
    }),
  );
  expect(made.fingerprint).toBe(named.fingerprint);
  expect(named.summary.privacy).toMatchObject({
    epsilon: Number.POSITIVE_INFINITY,
    guarantee: 'none',
    noise: 'noise as for a cohort of 6, seeded: no guarantee for this run',
    reasons: expect.arrayContaining(['noise from the simulation generator']),
  });
  expect(made.summary.privacy.noise).toBe(named.summary.privacy.noise);
  expect(made.summary.privacy.reasons).toEqual(expect.arrayContaining([...named.summary.privacy.reasons]));
});

describe('the denominator', () => {
  const oneBad = trainer(({ params, client }) => {
    const update = new Float32Array(params.length).fill(0.5);
    if (client === 3) update[7] = Number.NaN;
    return update;
  });
  const moved = (reduce: 'weighted-mean' | 'fixed-denominator') =>
    runWith(
      options({
        data: { source: task(), partitioner: { type: 'iid', numPartitions: 4 } },
        client: { trainer: oneBad },
        strategy: { cohortSize: 4 },
        update: { reduce },
        run: { numServerRounds: 1 },
      }),
      ({ params }) => {
        params.fill(0);
        return {};
      },
    ).then(({ params }) => new Set(params));

  it('that is fixed counts a rejected client as a zero', async () => {
    expect(await moved('fixed-denominator')).toEqual(new Set([0.375]));
  });

  it('of the weighted mean leaves it out', async () => {
    expect(await moved('weighted-mean')).toEqual(new Set([0.5]));
  });
});

describe('bytes on the wire', () => {
  // [6, 8, 3]: d = 6*8 + 8 + 8*3 + 3 = 83; with k = 4 of 8 neurons d_s = 10k + 3 = 43.
  const d = 83;
  const dSub = 43;

  it('are 4d both ways without a pipeline', async () => {
    const { rounds, result } = await watch(options());
    for (const { metrics } of rounds) {
      expect(metrics['comm/up-bytes']).toBe(6 * 4 * d);
      expect(metrics['comm/down-bytes']).toBe(6 * 4 * d);
    }
    expect(result?.summary.comm).toEqual({
      upBytes: 4 * 6 * 4 * d,
      downBytes: 4 * 6 * 4 * d,
      denseBytes: 4 * 6 * 8 * d,
      ratio: 1,
    });
  });

  it('follow the formulas of sub-models, positions and int8', async () => {
    const { rounds } = await watch(
      options({
        strategy: { cohortSize: 12 },
        update: {
          pipeline: [
            { fisherDropout: { rates: [0.5], refreshEvery: 3 } },
            { quantize: { format: 'int8', block: 16 } },
          ],
        },
        run: { numServerRounds: 6 },
        privacy: allow,
      }),
    );
    const codes = dSub + 4 * Math.ceil(dSub / 16);
    const positions = 1; // bitmap of 8 neurons
    rounds.forEach(({ metrics, detail }, round) => {
      const refresh = round % 3 === 0;
      expect(metrics['comm/up-bytes']).toBe(12 * (codes + (refresh ? positions : 0)));
      expect(metrics['comm/down-bytes']).toBe(12 * 4 * (refresh ? d : dSub));
      const entries = detail?.bytes ?? [];
      const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
      expect(total).toBe(metrics['comm/up-bytes'] + metrics['comm/down-bytes']);
      expect(detail?.denseBytes).toBe(12 * 8 * d);
    });
    expect(rounds[5].metrics['comm/up-bytes-total']).toBe(12 * (6 * codes + 2 * positions));
  });

  it('count what was sent to a client whose update is rejected', async () => {
    const { rounds } = await watch(
      options({
        client: {
          trainer: trainer(({ params, client }) =>
            new Float32Array(params.length).fill(client === 0 ? Number.POSITIVE_INFINITY : 0.1),
          ),
        },
        strategy: { cohortSize: 12 },
        update: { pipeline: [{ clip: { maxNorm: 1 } }] },
        run: { numServerRounds: 1 },
      }),
    );
    expect(rounds[0].metrics['comm/down-bytes']).toBe(12 * 4 * d);
    expect(rounds[0].metrics['comm/up-bytes']).toBe(11 * 4 * d);
  });
});

describe('sub-models', () => {
  it('are trained at their own size and layout, by a client’s own rate', async () => {
    const sizes = new Map<number, Set<number>>();
    await simulate(
      options({
        client: {
          trainer: trainer(({ params, spec, client }) => {
            expect(spec.size).toBe(params.length);
            sizes.set(client, (sizes.get(client) ?? new Set()).add(params.length));
            return new Float32Array(params.length).fill(0.01);
          }),
        },
        update: {
          pipeline: [{ fisherDropout: { rates: [0, 0.25, 0.5], selection: 'public-random' } }],
        },
        strategy: { cohortSize: 12 },
        privacy: allow,
      }),
    );
    // k = 8, 6, 4 neurons of the hidden layer, 10k + 3 weights.
    for (const [client, seen] of sizes) expect([...seen]).toEqual([[83, 63, 43][client % 3]]);
    expect(sizes.size).toBe(12);
  });

  it('keep their neurons between refreshes and choose anew at each', async () => {
    const { rounds } = await watch(
      options({
        strategy: { cohortSize: 12 },
        update: {
          pipeline: [{ fisherDropout: { rates: [0.5], selection: 'public-random', refreshEvery: 2 } }],
        },
        run: { numServerRounds: 6 },
      }),
    );
    const holders = rounds.map(({ detail }) => detail?.holders?.[0].counts.join());
    for (const counts of rounds.map(({ detail }) => detail?.holders?.[0].counts ?? []))
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(12 * 4);
    for (const first of [0, 2, 4]) expect(holders[first + 1]).toBe(holders[first]);
    expect(new Set(holders).size).toBe(3);
  });

  it('leave coordinates that nobody held as they were under mean-of-holders', async () => {
    const changed: number[][] = [];
    await runWith(
      options({
        data: { source: task(), partitioner: { type: 'iid', numPartitions: 2 } },
        strategy: { type: 'fedavgm', cohortSize: 2 },
        update: {
          reduce: 'mean-of-holders',
          pipeline: [{ fisherDropout: { rates: [0.5], selection: 'public-random', refreshEvery: 1 } }],
        },
        run: { numServerRounds: 3 },
      }),
      ({ params, trainer: local }) => {
        let before = Float32Array.from(params);
        return {
          trainer: {
            name: 'spy',
            async train(job) {
              if (job.client === 0 && job.round > 0) {
                changed.push(Array.from(params.keys()).filter((i) => params[i] !== before[i]));
                before = Float32Array.from(params);
              }
              return local.train(job);
            },
          },
        };
      },
    );
    // Both clients keep 4 of 8 neurons; a coordinate moves only if both held it (at least 2 holders).
    for (const list of changed) expect(list.length).toBeLessThanOrEqual(43);
    expect(changed).toHaveLength(2);
  });
});

describe('conservation', () => {
  it('trains every example of a participant E times, and touches state of participants only', async () => {
    const participations = new Map<number, number>();
    const counted = new Map<number, number>();
    const stage: Stage = {
      name: 'counter',
      upload: {
        encode(payload, { client, state }) {
          const before = state.get<number>('count') ?? 0;
          state.set('count', before + 1);
          counted.set(client, before + 1);
          return payload;
        },
        decode: (payload) => payload,
      },
    };
    let examples = 0;
    const result = await runWith(
      options({ client: { localEpochs: 3 }, update: { pipeline: [stage] }, run: { numServerRounds: 7 } }),
      ({ trainer: local }) => ({
        trainer: {
          name: 'counting',
          async train(job) {
            participations.set(job.client, (participations.get(job.client) ?? 0) + 1);
            const trained = await local.train(job);
            expect(trained.examples).toBe(3 * job.index.length);
            expect(trained.steps).toBe(3 * Math.ceil(job.index.length / 4));
            examples += trained.examples;
            return trained;
          },
        },
      }),
    );
    expect(examples).toBe(7 * 6 * 3 * 10);
    expect(counted).toEqual(participations);
    expect([...participations.values()].reduce((sum, count) => sum + count, 0)).toBe(42);
    expect(result.params.every(Number.isFinite)).toBe(true);
  });
});
