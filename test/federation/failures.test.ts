/** What goes wrong, by whose fault, and what is left: through the library, as a caller meets it. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { trimmedMean, weightedMean } from '../../src/combine/reducers.js';
import { dataset } from '../../src/data/dataset.js';
import type { SimulateOptions } from '../../src/federation/config/objects.js';
import { DivergedError, RunAbortedError, UserCodeError } from '../../src/federation/errors.js';
import { sgd } from '../../src/federation/strategies/server-optimizer.js';
import type { Strategy } from '../../src/federation/strategies/strategy.js';
import { defineModel } from '../../src/program/model.js';
import { blobs, options, rejection, simulate, task, trainer, watch } from './fixtures.js';

const mean = { transforms: [], reduce: weightedMean(), serverOptimizer: sgd({ lr: 1 }) };
const withStrategy = (strategy: Strategy, rest: SimulateOptions = {}): SimulateOptions =>
  options({ ...rest, strategy: { type: strategy, cohortSize: 6 } });
const withTrainer = (own: ReturnType<typeof trainer>, rest: SimulateOptions = {}): SimulateOptions =>
  options({ ...rest, client: { trainer: own } });

describe('an update that is not finite', () => {
  const nanOf = (bad: number) =>
    trainer(({ params, client }) => {
      const update = new Float32Array(params.length).fill(0.25);
      if (client === bad) update[5] = Number.NaN;
      return update;
    });
  const everyClient = { cohortSize: 12 };
  const step: Strategy = {
    name: 'step',
    async aggregate(updates, { size, kernels }) {
      const sum = new Float32Array(size);
      for await (const { update } of updates) kernels.axpyF32(sum, update, 1);
      return sum;
    },
  };

  it.each<[string, SimulateOptions]>([
    ['a streaming mean', { strategy: everyClient }],
    ['a clip', { strategy: everyClient, update: { pipeline: [{ clip: { maxNorm: 9 } }] } }],
    ['int8', { strategy: everyClient, update: { pipeline: [{ quantize: { format: 'int8' } }] } }],
    [
      'a rule that needs all updates',
      {
        strategy: {
          ...everyClient,
          type: { name: 'trim', aggregate: { ...mean, reduce: trimmedMean({ trim: 0.1 }) } },
        },
      },
    ],
    ['a strategy that is a function', { strategy: { ...everyClient, type: step } }],
  ])('is rejected by name and counted, and the run goes on: %s', async (_name, rest) => {
    const { events, rounds, result } = await watch(withTrainer(nanOf(7), rest));
    expect(result?.summary.status).toBe('completed');
    expect(result?.params.every(Number.isFinite)).toBe(true);
    expect(rounds).toHaveLength(4);
    for (const { metrics } of rounds) {
      expect(metrics['clients/selected']).toBe(12);
      expect(metrics['clients/reported']).toBe(11);
      expect(metrics['clients/failed']).toBe(1);
    }
    const warnings = events.filter((event) => event.event === 'warning' && event.client === 7);
    expect(warnings).toHaveLength(4);
    for (const warning of warnings)
      expect(warning).toMatchObject({
        code: 'WARN_CLIENT_REJECTED',
        message: expect.stringContaining('client 7 holds NaN'),
      });
  });

  it('of every client ends the run, with the first reason, and leaves the model alone', async () => {
    const all = trainer(({ params }) => new Float32Array(params.length).fill(Number.NaN));
    const { error, events } = await watch(withTrainer(all));
    expect(error).toMatchObject({ code: 'ERR_TOO_FEW_REPORTS' });
    expect((error as Error).message).toMatch(/round 1: 0 clients reported, at least 1 .*NaN/);
    expect(events.filter(({ event }) => event === 'warning')).toHaveLength(6);
    const { partial } = error as { partial?: { params: Float32Array } };
    expect(partial?.params.every(Number.isFinite)).toBe(true);
  });
});

describe('training that diverges', () => {
  it('ends the run with round and client', async () => {
    const { error, events } = await watch(options({ client: { lr: 1e6, localEpochs: 5 }, model: deep }));
    expect(error).toBeInstanceOf(DivergedError);
    expect(error).toMatchObject({ code: 'ERR_DIVERGED', hint: expect.stringContaining('client.lr') });
    expect((error as Error).message).toMatch(/round \d+: the training loss of client \d+ is (NaN|Infinity)/);
    expect(events.at(-1)).toMatchObject({ event: 'end', status: 'failed' });
    expect(error).toMatchObject({
      partial: { summary: { status: 'failed', error: { code: 'ERR_DIVERGED' } } },
    });
  });

  it('leaves the client out where the configuration says so', async () => {
    const { rounds, result } = await watch(
      withTrainer(
        {
          name: 'one diverges',
          async train({ params, client, index }) {
            const update = new Float32Array(params.length).fill(0.1);
            const lossSum = client === 2 ? Number.NaN : 1;
            return { update, lossSum, correct: 0, examples: index.length, steps: 1 };
          },
        },
        { run: { onDiverge: 'skip-client' }, strategy: { cohortSize: 12 } },
      ),
    );
    expect(result?.summary.status).toBe('completed');
    for (const { metrics } of rounds) {
      expect(metrics['clients/failed']).toBe(1);
      expect(metrics['train/loss']).toBeCloseTo(0.1, 12);
    }
  });

  it('never hands on a global model that is not finite', async () => {
    const huge = trainer(({ params }) => new Float32Array(params.length).fill(3e38));
    for (const onDiverge of ['fail', 'skip-client', 'continue'] as const) {
      const error = await rejection(
        simulate(withTrainer(huge, { run: { onDiverge }, strategy: { cohortSize: 6, serverLr: 10 } })),
      );
      expect(error).toBeInstanceOf(DivergedError);
      expect(error.message).toContain('global model');
    }
  });
});

/** Rectifiers have no bound: a rate that is far too large leaves the finite numbers. */
const deep: SimulateOptions['model'] = { type: 'mlp', layers: [6, 16, 16, 3], activation: 'relu' };

it('fewer reports than min-reports end the run', async () => {
  const half = trainer(({ params, client }) =>
    new Float32Array(params.length).fill(client % 2 === 0 ? Number.NaN : 0.1),
  );
  const rest = { strategy: { cohortSize: 12, minReports: 7 } };
  const error = await rejection(simulate(withTrainer(half, rest)));
  expect(error.code).toBe('ERR_TOO_FEW_REPORTS');
  expect(error.message).toContain('6 clients reported, at least 7');
  const enough = await simulate(withTrainer(half, { strategy: { cohortSize: 12, minReports: 6 } }));
  expect(enough.summary.status).toBe('completed');
});

describe('code of the user’s that throws', () => {
  const boom = (): never => {
    throw new TypeError('boom');
  };
  it.each<[string, RegExp, SimulateOptions]>([
    ['trainer', /^trainer 'own' threw in round 1, client \d+: boom/, withTrainer(trainer(boom))],
    [
      'select',
      /^select of strategy 's' threw in round 1: boom/,
      withStrategy({ name: 's', select: boom, aggregate: mean }),
    ],
    [
      'aggregate',
      /^aggregate of strategy 's' threw in round 1: boom/,
      withStrategy({ name: 's', aggregate: async () => boom() }),
    ],
    [
      'transform',
      /^transform 't' threw in round 1, client \d+: boom/,
      withStrategy({ name: 's', aggregate: { ...mean, transforms: [{ name: 't', apply: boom }] } }),
    ],
    [
      'reduce',
      /^reduction 'r' threw in round 1: boom/,
      withStrategy({
        name: 's',
        aggregate: { ...mean, reduce: { kind: 'gathering', name: 'r', reduce: boom } },
      }),
    ],
    [
      'server optimizer',
      /^server optimizer 'o' threw in round 1: boom/,
      withStrategy({
        name: 's',
        aggregate: { ...mean, serverOptimizer: { name: 'o', stateNames: [], step: boom } },
      }),
    ],
    [
      'stage',
      /^upload.encode of stage 'x' threw in round 1, client \d+: boom/,
      options({ update: { pipeline: [{ name: 'x', upload: { encode: boom, decode: (p) => p } }] } }),
    ],
    [
      'plan',
      /^plan of stage 'x' threw in round 1, client \d+: boom/,
      options({
        update: { pipeline: [{ name: 'x', plan: async () => boom() }] },
        privacy: { unaccounted: 'allow' },
      }),
    ],
  ])('is named with its hook: %s', async (_name, message, given) => {
    const error = await rejection(simulate(given));
    expect(error).toBeInstanceOf(UserCodeError);
    expect(error.code).toBe('ERR_USER_CODE');
    expect(error.message).toMatch(message);
    expect(error.cause).toBeInstanceOf(TypeError);
  });
});

describe('code of the user’s that returns the wrong thing', () => {
  it.each<[string, RegExp, SimulateOptions]>([
    [
      'too few values',
      /trainer 'own' in round 1 for client \d+ returned 5 values for 83 parameters/,
      withTrainer(trainer(() => new Float32Array(5))),
    ],
    [
      'an array',
      /returned no Float32Array as `update`/,
      withTrainer(trainer(() => [1, 2] as unknown as Float32Array)),
    ],
    [
      'no sums',
      /returned no number as `lossSum`/,
      withTrainer({
        name: 'own',
        train: async ({ params }) => ({ update: params.slice() }) as never,
      }),
    ],
    [
      'nothing',
      /returned no Float32Array/,
      withTrainer({ name: 'own', train: async () => undefined as never }),
    ],
    [
      'clients out of order',
      /select of strategy 's' in round 1 chose client 1 after client 2/,
      withStrategy({ name: 's', select: () => Uint32Array.from([2, 1]), aggregate: mean }),
    ],
    [
      'a client that is not there',
      /chose client 12 of 12/,
      withStrategy({ name: 's', select: () => Uint32Array.from([12]), aggregate: mean }),
    ],
    [
      'a promise of clients',
      /returned no Uint32Array/,
      withStrategy({ name: 's', select: (async () => new Uint32Array(1)) as never, aggregate: mean }),
    ],
    [
      'a step of another size',
      /aggregate of strategy 's' in round 1 returned no Float32Array of the size/,
      withStrategy({ name: 's', aggregate: async () => new Float32Array(3) }),
    ],
  ])('%s', async (_name, message, given) => {
    const error = await rejection(simulate(given));
    expect(error.code).toBe('ERR_USER_RESULT');
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(/^return /);
  });

  it('a weight that is no integer', async () => {
    const half = { name: 'half', apply: () => 0.5 };
    const error = await rejection(
      simulate(withStrategy({ name: 's', aggregate: { ...mean, transforms: [half] } })),
    );
    expect(error.code).toBe('ERR_WEIGHT_RANGE');
  });
});

describe('data and model that do not fit', () => {
  const net = (input: number, classes: number) =>
    defineModel({ input: [input], classes, name: 'net' }, (t, x) =>
      t.dense(x, { units: classes, name: 'fc' }),
    );

  it.each<[string, RegExp, SimulateOptions]>([
    [
      'inputs',
      /model 'net' on data set 'blobs': expected shape \[6\], received \[5\]/,
      options({ model: net(5, 3) }),
    ],
    [
      'classes',
      /classes of model 'net'.*expected shape \[3\], received \[4\]/,
      options({ model: net(6, 4) }),
    ],
  ])('%s', async (_name, message, given) => {
    const error = await rejection(simulate(given));
    expect(error.code).toBe('ERR_SHAPE_MISMATCH');
    expect(error.message).toMatch(message);
  });

  it('a client without examples is named', async () => {
    const partitioner = { name: 'p', partition: () => [[0, 1], []] };
    const error = await rejection(
      simulate(options({ data: { source: task(), partitioner }, strategy: { cohortSize: 2 } })),
    );
    expect(error.code).toBe('ERR_EMPTY_CLIENT');
    expect(error.message).toMatch(/client 1/);
  });

  it('a cohort larger than the population is refused, known beforehand or not', async () => {
    const known = await rejection(simulate(options({ strategy: { cohortSize: 13 } })));
    expect(known.code).toBe('ERR_CONFIG');
    expect(known.message).toMatch(/13, more than the 12 clients/);
    const partitioner = { name: 'p', partition: () => [[0], [1]] };
    const late = await rejection(simulate(options({ data: { source: task(), partitioner } })));
    expect(late.code).toBe('ERR_COHORT_TOO_LARGE');
    expect(late.message).toMatch(/cohort of 6 .* population of 2/);
  });

  it('NaN in data and labels out of range are named by example', () => {
    const { x, y, shape, classes } = blobs();
    const bad = x.slice();
    bad[6 * 17 + 2] = Number.NaN;
    expect(() => dataset({ x: bad, y, shape, classes })).toThrow(/example 17/);
    expect(() => dataset({ x, y: Array.from(y, (v, i) => (i === 9 ? 3 : v)), shape, classes })).toThrow(/9/);
  });

  it('without test data the run says that it cannot evaluate', async () => {
    const { events, rounds } = await watch(
      options({ data: { source: blobs(), partitioner: { type: 'iid', numPartitions: 12 } } }),
    );
    expect(events).toContainEqual(expect.objectContaining({ code: 'WARN_NO_TEST_DATA' }));
    expect(rounds[3].metrics).not.toHaveProperty('central-val/accuracy');
  });
});

describe('a signal', () => {
  it('lets the round finish and hands over what was reached', async () => {
    const controller = new AbortController();
    const rounds: number[] = [];
    const own = trainer(({ params, round }) => {
      rounds.push(round);
      if (round === 1) controller.abort(new Error('enough'));
      return new Float32Array(params.length).fill(0.1);
    });
    const { error, events } = await watch(withTrainer(own, { signal: controller.signal }));
    expect(error).toBeInstanceOf(RunAbortedError);
    expect(error).toMatchObject({ code: 'ERR_RUN_ABORTED', rounds: 2 });
    expect((error as Error).cause).toMatchObject({ message: 'enough' });
    expect(rounds).toHaveLength(12);
    expect(events.at(-1)).toMatchObject({ event: 'end', status: 'interrupted', round: 2 });
    const { partial } = error as { partial: Awaited<ReturnType<typeof simulate>> };
    expect(partial.summary).toMatchObject({ status: 'interrupted', rounds: 2, plannedRounds: 4 });
    // The same two rounds alone end with the same bytes.
    const alone = trainer(({ params }) => new Float32Array(params.length).fill(0.1));
    const two = await simulate(withTrainer(alone, { run: { numServerRounds: 2 } }));
    expect(partial.fingerprint).toBe(two.fingerprint);
  });

  it('that is aborted before the start runs no round', async () => {
    const error = await rejection(simulate(options({ signal: AbortSignal.abort() })));
    expect(error).toMatchObject({ code: 'ERR_RUN_ABORTED', rounds: 0 });
  });
});

describe('a trainer module on worker threads', () => {
  const module = (name: string): string => fileURLToPath(new URL(`trainers/${name}.mjs`, import.meta.url));
  const withModule = (name: string, workers = 2, rest: SimulateOptions = {}): SimulateOptions =>
    options({
      strategy: { cohortSize: 12 },
      run: { numServerRounds: 2 },
      ...rest,
      client: { trainer: module(name) },
      backend: { type: 'reference', workers },
    });

  it('gives the bytes of the same trainer on this thread', async () => {
    const same = trainer(({ params, client }) => new Float32Array(params.length).fill(1 / (client + 1)));
    const inline = await simulate(
      options({ strategy: { cohortSize: 12 }, run: { numServerRounds: 2 }, client: { trainer: same } }),
    );
    for (const workers of [1, 3])
      expect((await simulate(withModule('constant', workers))).fingerprint).toBe(inline.fingerprint);
  });

  it('may be named by a path from the working folder, or by URL', async () => {
    const prints = await Promise.all(
      ['test/federation/trainers/constant.mjs', pathToFileURL(module('constant')).href].map(async (path) => {
        const given = withModule('constant');
        return (await simulate({ ...given, client: { ...given.client, trainer: path } })).fingerprint;
      }),
    );
    expect(prints[0]).toBe(prints[1]);
  });

  it('that ends its thread loses that client alone', async () => {
    const { rounds, events, result } = await watch(withModule('dies'));
    expect(result?.summary.status).toBe('completed');
    for (const { metrics } of rounds)
      expect(metrics).toMatchObject({ 'clients/reported': 11, 'clients/failed': 1 });
    const warning = events.find((event) => event.event === 'warning' && event.client === 3);
    expect(warning).toMatchObject({ message: expect.stringMatching(/worker thread failed.*code 7/) });
  });

  it('that throws is named with module, round and client', async () => {
    const error = await rejection(simulate(withModule('throws')));
    expect(error.code).toBe('ERR_USER_CODE');
    expect(error.message).toMatch(/trainer '.*throws\.mjs' threw in round 1, client 0: no tensor for 0/);
    expect(error.cause).toMatchObject({ name: 'RangeError' });
  });

  it.each([
    ['wrong-export', /has no export `trainer`/],
    ['broken', /this module does not load/],
    ['missing', /Cannot find module/],
  ])('that cannot be used is an error of its own: %s', async (name, message) => {
    const error = await rejection(simulate(withModule(name)));
    expect(error.code).toBe('ERR_TRAINER_MODULE');
    expect(error.message).toMatch(message);
    expect(error.hint).toContain('export an object `trainer`');
  });
});
