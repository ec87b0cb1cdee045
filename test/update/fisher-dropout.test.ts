import { describe, expect, it } from 'vitest';
import { UpdateRejectedError } from '../../src/combine/errors.js';
import { InvalidArgumentError } from '../../src/errors.js';
import type { ParamSpec } from '../../src/tensor/param-spec.js';
import { type FisherDropoutOptions, fisherDropout } from '../../src/update/fisher-dropout.js';
import { createPipeline } from '../../src/update/pipeline.js';
import type { ClientState, PlanContext, SubModelPlan } from '../../src/update/stage.js';
import { backends } from '../support/backends.js';
import { distinct, memoryState, mlp, mlpSpec, planContext } from './fixtures.js';

const [kernels] = backends;
const spec = mlp(3, 8, 4, 2);

async function planOf(options: FisherDropoutOptions, context: PlanContext): Promise<SubModelPlan> {
  const plan = await fisherDropout(options).plan?.(context);
  if (!plan) throw new Error('no plan');
  return plan;
}

/** Fisher entries that give row u of `tensor` the values of `rows[u]` spread over it. */
function fisherWithRows(of: ParamSpec, tensor: string, rows: readonly number[]): Float64Array {
  const fisher = new Float64Array(of.size);
  const slice = of.slice(fisher, tensor);
  const rowLength = slice.length / rows.length;
  rows.forEach((value, u) => {
    slice.fill(value / rowLength, u * rowLength, (u + 1) * rowLength);
  });
  return fisher;
}

const withFisher = (fisher: Float64Array, overrides: Partial<PlanContext> = {}): PlanContext =>
  planContext(kernels, spec, { fisher: async () => fisher, ...overrides });

/** What the engine does when the update of a client has come. */
function arrives(state: ClientState, plan: SubModelPlan, options: FisherDropoutOptions, round: number): void {
  const pipeline = createPipeline([fisherDropout(options)]);
  const context = planContext(kernels, spec, { state, round });
  const delivery = { params: new Float32Array(plan.spec.size), plan, wire: [] };
  pipeline.receive(new Float32Array(plan.spec.size), delivery, context, false);
}

describe('the choice of neurons', () => {
  it('keeps ceil((1 - rate) N) of every hidden layer, those with the most Fisher information', async () => {
    const fisher = fisherWithRows(spec, 'fc1.weight', [1, 9, 3, 9, 2, 8, 0, 4]);
    fisherWithRows(spec, 'fc2.weight', [5, 1, 2, 7]).forEach((value, i) => {
      fisher[i] += value;
    });
    const plan = await planOf({ rates: [0.5] }, withFisher(fisher));
    expect([...(plan.kept.get('fc1.out') ?? [])]).toEqual([1, 3, 5, 7]);
    expect([...(plan.kept.get('fc2.out') ?? [])]).toEqual([0, 3]);
    expect(plan.spec.get('fc2.weight').shape).toEqual([2, 4]);
    expect(plan.spec.get('fc3.weight').shape, 'outputs are never cut').toEqual([2, 2]);
  });

  it('counts the bias and breaks ties by the lower index', async () => {
    const fisher = fisherWithRows(spec, 'fc1.weight', [1, 1, 1, 1, 1, 1, 1, 1]);
    spec.slice(fisher, 'fc1.bias')[6] = 0.5;
    const plan = await planOf({ rates: [0.75] }, withFisher(fisher));
    expect([...(plan.kept.get('fc1.out') ?? [])]).toEqual([0, 6]);
  });

  it('takes scores below 1e-30 as ties', async () => {
    const fisher = fisherWithRows(spec, 'fc1.weight', [1e-40, 1e-35, 1e-33, 1, 1e-32, 0, 1e-31, 2e-31]);
    const plan = await planOf({ rates: [0.75] }, withFisher(fisher));
    expect([...(plan.kept.get('fc1.out') ?? [])]).toEqual([0, 3]);
  });

  it('weighs by squared weight with saliency, and leaves the Fisher values that it was given alone', async () => {
    const fisher = fisherWithRows(spec, 'fc1.weight', [8, 7, 6, 5, 4, 3, 2, 1]);
    const global = new Float32Array(spec.size);
    const weight = spec.slice(global, 'fc1.weight');
    for (let u = 0; u < 8; u++) weight.fill(u + 1, 3 * u, 3 * u + 3);
    // (8 - u) (u + 1)^2 = 8, 28, 54, 80, 100, 108, 98, 64
    const before = fisher.slice();
    const plan = await planOf({ rates: [0.5], score: 'saliency' }, withFisher(fisher, { global }));
    expect([...(plan.kept.get('fc1.out') ?? [])]).toEqual([3, 4, 5, 6]);
    expect([...fisher]).toEqual([...before]);
  });

  it('ranks the same by sum and by mean, rows of a layer being equally long', async () => {
    const fisher = fisherWithRows(spec, 'fc1.weight', [3, 1, 4, 1, 5, 9, 2, 6]);
    const [bySum, byMean] = await Promise.all(
      (['sum', 'mean'] as const).map((score) => planOf({ rates: [0.25], score }, withFisher(fisher))),
    );
    expect(byMean.kept).toEqual(bySum.kept);
  });

  it('keeps exactly 3 of 10 at rate 0.7, and one of every layer at the highest rates', async () => {
    for (const [rate, units, kept] of [
      [0.7, 10, 3],
      [0.29, 100, 71],
      [0.5, 7, 4],
      [0.99, 8, 1],
    ]) {
      const wide = mlp(3, units, 4, 2);
      const plan = await planOf({ rates: [rate], selection: 'public-random' }, planContext(kernels, wide));
      expect(plan.kept.get('fc1.out'), `${rate} of ${units}`).toHaveLength(kept);
    }
  });

  it('falls back to the seeded choice, by client, where nothing has a gradient', async () => {
    const silent = (client: number) =>
      planOf({ rates: [0.5] }, withFisher(new Float64Array(spec.size), { client }));
    const first = await silent(1);
    expect(first.kept.get('fc1.out')).toHaveLength(4);
    expect((await silent(1)).kept).toEqual(first.kept);
    const others = await Promise.all([2, 3, 4, 5].map(silent));
    expect(others.some(({ kept }) => String(kept.get('fc1.out')) !== String(first.kept.get('fc1.out')))).toBe(
      true,
    );
  });

  it('rejects a client whose Fisher information is not finite, by its id', async () => {
    const fisher = new Float64Array(spec.size);
    fisher[3] = Number.NaN;
    await expect(planOf({ rates: [0.5] }, withFisher(fisher, { client: 31 }))).rejects.toThrow(
      UpdateRejectedError,
    );
    await expect(planOf({ rates: [0.5] }, withFisher(fisher, { client: 31 }))).rejects.toThrow(/client 31/);
  });

  it('asks for as many examples as it scores, and for none without a cut or with a public choice', async () => {
    const asked: (number | undefined)[] = [];
    const fisher = async (limit?: number): Promise<Float64Array> => {
      asked.push(limit);
      return new Float64Array(spec.size).fill(1);
    };
    await planOf({ rates: [0.5], scoringExamples: 32 }, planContext(kernels, spec, { fisher }));
    await planOf({ rates: [0.5] }, planContext(kernels, spec, { fisher }));
    await planOf({ rates: [0] }, planContext(kernels, spec, { fisher }));
    await planOf({ rates: [0.5], selection: 'public-random' }, planContext(kernels, spec, { fisher }));
    expect(asked).toEqual([32, undefined]);
  });

  it('spreads a public choice evenly: each of 8 neurons in half of 2000 draws', async () => {
    const counts = new Array<number>(8).fill(0);
    for (let client = 0; client < 2000; client++) {
      const plan = await planOf(
        { rates: [0.5], selection: 'public-random' },
        planContext(kernels, spec, { client }),
      );
      for (const unit of plan.kept.get('fc1.out') ?? []) counts[unit]++;
    }
    // Standard deviation sqrt(2000 / 4) = 22.4; five of them (fixed seed, 5e-6 over all eight for a fresh one).
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(112);
  });
});

describe('rates', () => {
  it('go round by client id, and never depend on data', async () => {
    const sizes = await Promise.all(
      [0, 1, 2, 3].map(async (client) => {
        const context = withFisher(distinctFisher(), { client, nExamples: 10 ** client });
        return (await planOf({ rates: [0, 0.25, 0.5] }, context)).kept.get('fc1.out')?.length ?? 8;
      }),
    );
    expect(sizes).toEqual([8, 6, 4, 8]);
  });

  it('are drawn anew at every choice with `random`', async () => {
    const sizes = new Set<number>();
    for (let round = 0; round < 30; round++) {
      const context = planContext(kernels, spec, { round });
      const options = { rates: [0, 0.5], assign: 'random', selection: 'public-random' } as const;
      sizes.add((await planOf(options, context)).kept.get('fc1.out')?.length ?? 8);
    }
    expect([...sizes].sort()).toEqual([4, 8]);
  });
});

describe('positions over rounds', () => {
  const options = { rates: [0.5], refreshEvery: 3 };

  it('are chosen once and reused until the refresh, with the full model sent at choices alone', async () => {
    const state = memoryState();
    const log: string[] = [];
    for (let round = 0; round < 7; round++) {
      const fisher = fisherWithRows(
        spec,
        'fc1.weight',
        [0, 1, 2, 3, 4, 5, 6, 7].map((u) => ((u + round) % 8) + 1),
      );
      const plan = await planOf(options, withFisher(fisher, { state, round }));
      log.push(
        `${plan.fullDownload ? 'full' : 'sub'} ${plan.positionBytes > 0 ? 'positions ' : ''}${plan.kept.get('fc1.out')}`,
      );
      arrives(state, plan, options, round);
    }
    expect(log).toEqual([
      'full positions 4,5,6,7',
      'sub 4,5,6,7',
      'sub 4,5,6,7',
      'full positions 1,2,3,4',
      'sub 1,2,3,4',
      'sub 1,2,3,4',
      'full positions 0,1,6,7',
    ]);
  });

  it('are chosen and sent again when the update that carried them was lost', async () => {
    const state = memoryState();
    const context = (round: number) => withFisher(distinctFisher(), { state, round });
    expect((await planOf(options, context(1))).positionBytes).toBeGreaterThan(0);
    const again = await planOf(options, context(2));
    expect(again).toMatchObject({ fullDownload: true });
    expect(again.positionBytes).toBeGreaterThan(0);
    arrives(state, again, options, 2);
    expect(await planOf(options, context(4))).toMatchObject({ fullDownload: false, positionBytes: 0 });
  });

  it('are kept by client', async () => {
    const first = memoryState();
    const plan = await planOf(options, withFisher(distinctFisher(), { state: first, round: 1 }));
    arrives(first, plan, options, 1);
    const other = await planOf(
      options,
      withFisher(distinctFisher(), { state: memoryState(), round: 2, client: 1 }),
    );
    expect(other.fullDownload).toBe(true);
  });

  it('stay plain data that a checkpoint can hold', async () => {
    const slots = new Map<string, unknown>();
    const state = {
      get: <T>(s: string) => slots.get(s) as T | undefined,
      set: (s: string, v: unknown) => void slots.set(s, v),
    };
    await planOf(options, withFisher(distinctFisher(), { state }));
    for (const value of slots.values()) expect(structuredClone(value)).toEqual(value);
  });
});

describe('bytes of positions and models', () => {
  it('are those of the worked example: 235,146 values and 96 bytes of bitmap of a 784-512-256-10 network at r = 0.5', async () => {
    // Every other neuron scores: an alternating set, which a bitmap of 768 neurons holds best.
    const fisher = new Float64Array(mlpSpec.size);
    for (const layer of ['fc1', 'fc2'])
      mlpSpec.slice(fisher, `${layer}.bias`).forEach((_, u, slice) => {
        slice[u] = u % 2 === 0 ? 1 : 0;
      });
    const context = planContext(kernels, mlpSpec, { fisher: async () => fisher });
    const pipeline = createPipeline([fisherDropout({ rates: [0.5] })]);
    const delivery = await pipeline.deliver(context);
    expect(delivery.params).toHaveLength(235_146);
    expect(delivery.wire).toEqual([{ name: 'dense', direction: 'download', bytes: 2_143_272 }]);
    const { wire } = pipeline.receive(new Float32Array(235_146), delivery, context, false);
    expect(wire).toEqual([
      { name: 'fisher-dropout', direction: 'upload', bytes: 96 },
      { name: 'dense', direction: 'upload', bytes: 940_584 },
    ]);
  });

  it('of a cycle of K rounds are 4 d + 4 d_s (2 K - 1) + positions', async () => {
    const kRounds = 5;
    const pipeline = createPipeline([fisherDropout({ rates: [0.5], refreshEvery: kRounds })]);
    const state = memoryState();
    let bytes = 0;
    let positions = 0;
    let subSize = 0;
    for (let round = 0; round < kRounds; round++) {
      const context = withFisher(distinctFisher(), { state, round });
      const delivery = await pipeline.deliver(context);
      subSize = delivery.params.length;
      positions += delivery.plan?.positionBytes ?? 0;
      const receipt = pipeline.receive(new Float32Array(subSize), delivery, context, false);
      for (const each of [...delivery.wire, ...receipt.wire]) bytes += each.bytes;
    }
    // Rows of fc1 4 of 8, of fc2 2 of 4: 4 * 3 + 4, 2 * 4 + 2 and 2 * 2 + 2 values.
    expect(subSize).toBe(32);
    // 12 neurons: a bitmap of two bytes.
    expect(positions).toBe(2);
    expect(bytes).toBe(4 * spec.size + 4 * 32 * (2 * kRounds - 1) + 2);
  });

  it('of a public choice are a seed of 8 bytes, and the sub-model alone goes down', async () => {
    const context = planContext(kernels, spec);
    const pipeline = createPipeline([fisherDropout({ rates: [0.5], selection: 'public-random' })]);
    const delivery = await pipeline.deliver(context);
    expect(delivery.plan).toMatchObject({ positionBytes: 8, fullDownload: false });
    expect(delivery.wire).toEqual([{ name: 'dense', direction: 'download', bytes: 4 * 32 }]);
  });
});

describe('options of fisher dropout', () => {
  it.each<[string, object]>([
    ['rates', { rates: [] }],
    ['rates', { rates: [1] }],
    ['rates', { rates: [-0.1] }],
    ['rates', { rates: [Number.NaN] }],
    ['rates', { rates: 0.5 }],
    ['refreshEvery', { rates: [0.5], refreshEvery: 0 }],
    ['refreshEvery', { rates: [0.5], refreshEvery: 2.5 }],
    ['scoringExamples', { rates: [0.5], scoringExamples: 0 }],
    ['selection', { rates: [0.5], selection: 'fisher' }],
    ['assign', { rates: [0.5], assign: 'by-data' }],
    ['score', { rates: [0.5], score: 'max' }],
  ])('a wrong %s is named: %o', (name, options) => {
    expect(() => fisherDropout(options as FisherDropoutOptions)).toThrow(InvalidArgumentError);
    expect(() => fisherDropout(options as FisherDropoutOptions)).toThrow(new RegExp(`${name} must be`));
  });
});

function distinctFisher(): Float64Array {
  return Float64Array.from(distinct(spec.size), (value) => value * value);
}
