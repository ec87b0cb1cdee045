/** Merge rules as reductions of a run: by name, with what clients measure, around the right model, with the same bytes everywhere. */
import { describe, expect, it } from 'vitest';
import { type MergeRuleName, mergeRules } from '../../src/combine/merge-rules.js';
import { type ClientStatistics, type GatheringReducer, trimmedMean } from '../../src/combine/reducers.js';
import { fisher, regmean } from '../../src/combine/reducers-data.js';
import { mergeReducer, ties } from '../../src/combine/reducers-merge.js';
import { partition } from '../../src/data/partition/index.js';
import { assembleStrategy } from '../../src/federation/assemble.js';
import type { SimulateOptions } from '../../src/federation/config/objects.js';
import { configHash, toResolvedYaml } from '../../src/federation/config/output.js';
import { reduceNames } from '../../src/federation/config/reduce.js';
import { parseConfig, resolveOptions } from '../../src/federation/config/resolve.js';
import { fingerprintOf } from '../../src/federation/run.js';
import { sgd } from '../../src/federation/strategies/server-optimizer.js';
import { defineStrategy } from '../../src/federation/strategies/strategy.js';
import { createReference } from '../../src/kernels/reference.js';
import { resolveBackend } from '../../src/kernels/select.js';
import { mlp } from '../../src/nn/zoo.js';
import { createInlineRunner } from '../../src/train/inline-runner.js';
import { diagonalFisher, inputGrams } from '../../src/train/statistics.js';
import type { Stage } from '../../src/update/stage.js';
import { allow, blobs, lcg, options, rejection, simulate, trainer, watch } from './fixtures.js';

type Reduce = NonNullable<SimulateOptions['update']>['reduce'];
const reducing = (reduce: Reduce, changes: SimulateOptions = {}): SimulateOptions =>
  options({ ...changes, update: { ...changes.update, reduce } });

const inFiles = reduceNames.filter((name) => name !== 'custom');
const merging = inFiles.filter(
  (name) => !['weighted-mean', 'fixed-denominator', 'mean-of-holders'].includes(name),
);

describe('a rule by its name', () => {
  it.each(merging)('%s learns', async (name) => {
    const { metrics, params } = await simulate(reducing(name, { run: { numServerRounds: 12 } }));
    expect(params.every(Number.isFinite)).toBe(true);
    // Three classes: chance is 1/3.
    expect(metrics['central-val/accuracy'].final).toBeGreaterThan(0.6);
  });

  it('has the defaults of its function, and takes parameters', () => {
    const random = lcg(5);
    const updates = [0, 1, 2].map(() => Float32Array.from({ length: 60 }, () => random() - 0.4));
    const context = {
      kernels: createReference(),
      tensors: [{ name: 'w', offset: 0, size: 60, shape: [6, 10] }],
      params: new Float32Array(60).fill(0.5),
      initial: new Float32Array(60),
      seed: 1,
      round: 2,
      statistics: [],
      report() {},
    };
    const result = (reducer: unknown): Float32Array => {
      const out = new Float32Array(60);
      (reducer as GatheringReducer).reduce(out, updates, [3, 1, 2], 0, 60, context);
      return out;
    };
    const configured = (reduce: Reduce): unknown => {
      const { config, objects } = resolveOptions(reducing(reduce));
      const { aggregate } = assembleStrategy(config, objects);
      return typeof aggregate === 'function' ? undefined : aggregate.reduce;
    };
    for (const name of Object.keys(mergeRules) as MergeRuleName[]) {
      expect(result(configured(name)), name).toEqual(result(mergeReducer(name)));
      expect(result(configured({ type: name } as Reduce)), name).toEqual(result(mergeReducer(name)));
    }
    expect(result(configured({ type: 'ties', density: 0.4, lambda: 2 }))).toEqual(
      result(mergeReducer('ties', { density: 0.4, lambda: 2 })),
    );
    expect(result(configured({ type: 'model-stock', filterWise: true, anchor: 'initial' }))).toEqual(
      result(mergeReducer('model-stock', { filterWise: true, anchor: 'initial' })),
    );
  });
});

function runsHere(isa: string): boolean {
  try {
    resolveBackend({ backend: 'native', isa });
    return true;
  } catch {
    return false;
  }
}
const levels = ['base', 'avx2', 'avx512', 'neon'].filter(runsHere);

describe('the same bytes', () => {
  const rules: Reduce[] = [
    { type: 'fisher', normalizeFishers: true },
    'regmean',
    { type: 'model-stock', anchor: 'initial' },
    { type: 'dare-ties', density: 0.3 },
    'karcher',
  ];
  const fingerprint = async (reduce: Reduce, backend: object, workers: number): Promise<string> => {
    const run = reducing(reduce, { model: { type: 'mlp', layers: [6, 9, 5, 3] } });
    return (await simulate({ ...run, backend: { ...backend, workers } })).fingerprint;
  };

  it.each(rules)('for %o on every back end of a profile, with any number of workers', async (reduce) => {
    const reference = await fingerprint(reduce, { type: 'reference' }, 1);
    expect(await fingerprint(reduce, { type: 'wasm' }, 1)).toBe(reference);
    expect(await fingerprint(reduce, { type: 'wasm' }, 3)).toBe(reference);
    if (levels.includes('base')) {
      const base = { type: 'native', isa: 'base' };
      expect(await fingerprint(reduce, base, 1)).toBe(reference);
      expect(await fingerprint(reduce, base, 4)).toBe(reference);
    }
    for (const isa of levels.filter((level) => level !== 'base').slice(0, 1))
      expect(await fingerprint(reduce, { type: 'native', isa }, 3)).toBe(
        await fingerprint(reduce, { type: 'native', isa }, 1),
      );
  });
});

describe('what clients measure', () => {
  const model = mlp({ layers: [6, 8, 3], activation: 'tanh' });
  const runner = createInlineRunner(createReference('plain'));

  /** The statistics and the models of the clients of one round. */
  async function measuredIn(kind: ClientStatistics['kind'], examples?: number) {
    let seen: readonly ClientStatistics[] = [];
    let models: Float32Array[] = [];
    const reduce: GatheringReducer = {
      kind: 'gathering',
      name: 'spy',
      statistics: { kind, examples },
      reduce(out, updates, _weights, _begin, _end, context) {
        seen = context?.statistics ?? [];
        models = updates.map((update) => update.map((value, i) => value + (context?.params[i] ?? 0)));
        out.fill(0);
      },
    };
    const aggregate = { transforms: [], reduce, serverOptimizer: sgd({ lr: 1 }) };
    const strategy = { type: defineStrategy({ name: 'spy', aggregate }), cohortSize: 12 };
    const { rounds } = await watch(options({ model, strategy, run: { numServerRounds: 1 } }));
    return { seen, models, bytes: rounds[0].detail?.bytes ?? [], metrics: rounds[0].metrics };
  }

  it('is the Fisher information at the model that each trained, on its own examples', async () => {
    const { seen, models, bytes, metrics } = await measuredIn('fisher');
    expect(seen).toHaveLength(12);
    const parts = await partition(blobs(), { type: 'iid', numPartitions: 12 }, 0);
    for (const [client, statistics] of seen.entries()) {
      const index = parts.client(client);
      const expected = await diagonalFisher(model, models[client], blobs(), { index, runner });
      expect(statistics.kind === 'fisher' && statistics.values).toEqual(expected);
    }
    const dense = 4 * model.spec.size * 12;
    expect(bytes).toContainEqual({ name: 'fisher', direction: 'upload', bytes: dense });
    expect(metrics['comm/up-bytes']).toBe(2 * dense);
  });

  it('is the Gram matrices of the inputs of each layer, of which the upper triangle is sent', async () => {
    const { seen, models, bytes } = await measuredIn('input-grams', 4);
    const parts = await partition(blobs(), { type: 'iid', numPartitions: 12 }, 0);
    for (const [client, statistics] of seen.entries()) {
      const index = parts.client(client).subarray(0, 4);
      const { layers } = await inputGrams(model, models[client], blobs(), { index, runner });
      const received = statistics.kind === 'input-grams' ? statistics.layers : new Map();
      expect([...received.keys()]).toEqual(['fc1.weight', 'fc2.weight']);
      for (const { parameter, gram } of layers)
        expect(received.get(parameter)?.gram).toEqual(Float32Array.from(gram));
    }
    const triangles = (6 * 7) / 2 + (8 * 9) / 2;
    expect(bytes).toContainEqual({ name: 'input-grams', direction: 'upload', bytes: 12 * 4 * triangles });
  });

  it('is refused by name where it is not finite', async () => {
    // A hidden layer of relu over weights of 1e25: squares beyond float32.
    const own = trainer(({ params, client }) =>
      new Float32Array(params.length).fill(client === 7 ? 1e25 : 0.1),
    );
    const run = reducing('regmean', {
      model: { type: 'mlp', layers: [6, 8, 3], activation: 'relu' },
      client: { trainer: own },
      strategy: { cohortSize: 12 },
      run: { numServerRounds: 1 },
    });
    const { events, rounds, result } = await watch(run);
    expect(result?.params.every(Number.isFinite)).toBe(true);
    expect(rounds[0].metrics['clients/reported']).toBe(11);
    const warnings = events.filter((event) => event.event === 'warning');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      client: 7,
      message: 'the input Gram matrix of fc2.weight of client 7 holds NaN or infinity',
    });
  });

  it('cannot be had of sub-models', async () => {
    const aggregate = { transforms: [], reduce: fisher(), serverOptimizer: sgd({ lr: 1 }) };
    const error = await rejection(
      simulate(
        options({
          strategy: { type: { name: 'own', aggregate }, cohortSize: 6 },
          update: { pipeline: [{ fisherDropout: { rates: [0.5] } }] },
          privacy: allow,
        }),
      ),
    );
    expect(error.message).toContain('update.pipeline must be without sub-models');
  });
});

describe('an update that is not finite', () => {
  it.each(['ties', 'model-stock', 'fisher', 'regmean', 'karcher'] as const)(
    'is rejected by name under %s',
    async (reduce) => {
      const own = trainer(({ params, client }) => {
        const update = new Float32Array(params.length).fill(0.01);
        if (client === 3) update[2] = Number.NaN;
        return update;
      });
      const run = reducing(reduce, { client: { trainer: own }, strategy: { cohortSize: 12 } });
      const { events, rounds, result } = await watch(run);
      expect(result?.params.every(Number.isFinite)).toBe(true);
      for (const { metrics } of rounds) expect(metrics['clients/failed']).toBe(1);
      for (const event of events.filter((each) => each.event === 'warning'))
        expect(event).toMatchObject({
          client: 3,
          message: 'the update of client 3 holds NaN or infinity',
        });
    },
  );
});

describe('Model Stock', () => {
  it('tells ratio and angle by tensor, and keeps period and hash of w_0', async () => {
    const start = mlp({ layers: [6, 8, 3], activation: 'tanh' }).init(0);
    const { rounds, result } = await watch(reducing('model-stock'));
    expect(rounds.map(({ detail }) => detail?.merge?.period)).toEqual([1, 2, 3, 4]);
    expect(rounds[0].detail?.merge).toMatchObject({
      rule: 'model-stock',
      anchor: 'previous',
      anchorHash: await fingerprintOf(start),
    });
    expect(new Set(rounds.map(({ detail }) => detail?.merge?.anchorHash)).size).toBe(4);
    for (const { detail, metrics } of rounds) {
      const tensors = detail?.merge?.tensors ?? [];
      expect(tensors.map(({ name }) => name)).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
      let mean = 0;
      for (const [i, { values }] of tensors.entries()) {
        const { t, cosine, angle } = values;
        // Six clients: t = 6 c / (1 + 5 c), within [0, 1].
        expect(t).toBeCloseTo(Math.max(0, (6 * cosine) / (1 + 5 * cosine)), 10);
        expect(Math.cos((angle * Math.PI) / 180)).toBeCloseTo(cosine, 10);
        mean += (t * [48, 8, 24, 3][i]) / 83;
      }
      expect(metrics['merge/t-mean']).toBeCloseTo(mean, 10);
      expect(metrics['merge/angle-mean']).toBeGreaterThan(0);
    }
    expect(result?.summary.merge).toEqual({
      rule: 'model-stock',
      periods: 4,
      anchor: 'previous',
      anchorHash: rounds[3].detail?.merge?.anchorHash,
    });
  });

  it('can merge periodically around the model before the first round', async () => {
    // Two clients that always go to fixed places a and b: every period ends at w_0 + t ((a + b) / 2 - w_0), wherever it began.
    const start = mlp({ layers: [6, 8, 3], activation: 'tanh' }).init(0);
    const places = [0, 1].map((k) => {
      const random = lcg(40 + k);
      const shared = lcg(39);
      return start.map((value) => value + shared() - 0.5 + 0.5 * (random() - 0.5));
    });
    const own = trainer(({ params, client }) => params.map((value, i) => places[client][i] - value));
    const run = reducing(
      { type: 'model-stock', anchor: 'initial' },
      {
        data: { source: blobs(), partitioner: { type: 'iid', numPartitions: 2 } },
        client: { trainer: own },
        strategy: { cohortSize: 2 },
        eval: { central: false },
        run: { numServerRounds: 3 },
      },
    );
    const { rounds, result } = await watch(run);
    const hash = await fingerprintOf(start);
    for (const { detail } of rounds)
      expect(detail?.merge).toMatchObject({ anchor: 'initial', anchorHash: hash });
    expect(result?.summary.merge).toMatchObject({ periods: 3, anchor: 'initial', anchorHash: hash });
    const { spec, params } = result ?? (await simulate(run));
    for (const { name, offset, size } of spec.entries) {
      const at = Array.from({ length: size }, (_, i) => offset + i);
      const [a, b] = places.map((place) => at.map((i) => place[i] - start[i]));
      const dot = (x: number[], y: number[]): number => x.reduce((sum, v, i) => sum + v * y[i], 0);
      const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      const t = Math.max(0, (2 * cosine) / (1 + cosine));
      for (const [k, i] of at.entries())
        expect(params[i], name).toBeCloseTo(start[i] + (t * (a[k] + b[k])) / 2, 5);
    }
  });

  it('leaves no trace of merging in other runs', async () => {
    const { rounds, result } = await watch(options());
    expect(rounds[0].detail?.merge).toBeUndefined();
    expect(result?.summary.merge).toBeUndefined();
    expect(rounds[0].metrics).not.toHaveProperty('merge/t-mean');
  });
});

describe('a reducer object', () => {
  it('stands where a file has a name', async () => {
    const named = await simulate(reducing({ type: 'ties', density: 0.4 }));
    const object = await simulate(reducing(ties({ density: 0.4 })));
    expect(object.fingerprint).toBe(named.fingerprint);
    const aggregate = {
      transforms: [],
      reduce: trimmedMean({ trim: 0.2 }),
      serverOptimizer: sgd({ lr: 1 }),
    };
    const strategy = { type: defineStrategy({ name: 'trim', aggregate }), cohortSize: 6 };
    const whole = await simulate(options({ strategy }));
    expect((await simulate(reducing(trimmedMean({ trim: 0.2 })))).fingerprint).toBe(whole.fingerprint);
    const { config } = resolveOptions(reducing(regmean()));
    expect(config.update.reduce).toEqual({ type: 'custom', name: 'regmean' });
  });

  it('is held to the same rules, and can be no other thing', async () => {
    const noisy = { pipeline: [{ clip: { maxNorm: 1 } }, { gaussianNoise: { noiseMultiplier: 1 } }] };
    const problems = (given: SimulateOptions) => () => resolveOptions(given);
    expect(problems(reducing(ties(), { update: noisy }))).toThrow('is ties under gaussian-noise');
    expect(problems(reducing(fisher(), { update: noisy }))).toThrow('clients send Fisher information');
    const aggregate = { transforms: [], reduce: regmean(), serverOptimizer: sgd({ lr: 1 }) };
    const strategy = { type: defineStrategy({ name: 'own', aggregate }), cohortSize: 6 };
    expect(problems(options({ strategy, update: noisy }))).toThrow('clients send Gram matrices of inputs');
    expect(() => parseConfig('data: { task: mnist-2nn }\nupdate: { reduce: custom }')).toThrow(
      'update.reduce is custom, which stands for an object passed in TypeScript',
    );
    const error = await rejection(simulate(reducing({ kind: 'gathering', name: 'empty' })));
    expect(error.message).toContain('aggregate.reduce must be a reducer');
  });
});

describe('the configuration', () => {
  const parse = (update: string) => parseConfig(`data: { task: mnist-2nn }\nupdate: ${update}`).config;
  const problem = (update: string, more = ''): string => {
    try {
      parseConfig(`data: { task: mnist-2nn }\n${more}\nupdate: ${update}`);
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return '';
  };

  it('takes a name or a map, in any spelling of the keys', () => {
    expect(parse('{ reduce: weighted-mean }').update.reduce).toBe('weighted-mean');
    expect(parse('{ reduce: { type: fixed-denominator } }').update.reduce).toBe('fixed-denominator');
    expect(parse('{ reduce: ties }').update.reduce).toEqual({ type: 'ties', density: 0.2, lambda: 1 });
    expect(parse('{ reduce: { type: model-stock, filter_wise: true } }').update.reduce).toEqual({
      type: 'model-stock',
      filterWise: true,
      anchor: 'previous',
    });
    expect(parse('{ reduce: { type: sce, select-topk: 0.5 } }').update.reduce).toEqual({
      type: 'sce',
      selectTopk: 0.5,
    });
  });

  it('writes what it read, and one rule has one hash', async () => {
    for (const reduce of inFiles) {
      const config = parse(`{ reduce: ${reduce} }`);
      expect(parseConfig(toResolvedYaml(config)).config).toEqual(config);
      const long = parse(`{ reduce: { type: ${reduce} } }`);
      expect(await configHash(long)).toBe(await configHash(config));
    }
    expect(await configHash(parse('{ reduce: { type: ties, density: 0.3 } }'))).not.toBe(
      await configHash(parse('{ reduce: ties }')),
    );
  });

  it('points at what is wrong, with the nearest name', () => {
    expect(problem('{ reduce: tise }')).toMatch(/update\.reduce is "tise" but must be one of .*\n.*"ties"\?/);
    expect(problem('{ reduce: { type: fishr } }')).toContain('did you mean "fisher"?');
    expect(problem('{ reduce: { type: ties, densty: 0.5 } }')).toContain('did you mean "density"?');
    expect(problem('{ reduce: { type: sce, density: 0.5 } }')).toContain(
      'update.reduce.density is a key of type ties, but type is sce',
    );
    expect(problem('{ reduce: { type: ties, density: 0 } }')).toContain(
      'update.reduce.density is 0 but must be above 0',
    );
    expect(problem('{ reduce: { density: 0.5 } }')).toContain('update.reduce.type is missing');
    expect(problem('{ reduce: 3 }')).toContain('update.reduce is 3 but must be one of');
    expect(problem('{ reduce: { type: regmean, alpha: 2 } }')).toContain('must be at most 1');
  });

  it('refuses merge rules over sub-models', () => {
    const pipeline = 'pipeline: [fisher-dropout: { rates: [0.5] }]';
    expect(problem(`{ reduce: ties, ${pipeline} }`, 'privacy: { unaccounted: allow }')).toContain(
      'update.reduce is ties, which merges whole models, but fisher-dropout sends sub-models',
    );
    const half: Stage = { name: 'half', plan: async () => undefined };
    expect(() => resolveOptions(reducing('sce', { update: { pipeline: [half] } }))).toThrow(
      'update.reduce is sce, which merges whole models, but half sends sub-models',
    );
  });

  it('refuses merge rules under noise unless what no accountant covers is allowed', () => {
    const pipeline =
      'pipeline: [clip: { max-norm: 1 }, gaussian-noise: { noise-multiplier: 1, source: secure }]';
    expect(problem(`{ reduce: ties, ${pipeline} }`)).toContain(
      'is ties under gaussian-noise: how far one client can move its result is not known',
    );
    expect(problem(`{ reduce: regmean, ${pipeline} }`)).toContain(
      'clients send Gram matrices of inputs of their data beside the update, without noise',
    );
    expect(problem(`{ reduce: ties, ${pipeline} }`, 'privacy: { unaccounted: allow }')).toBe('');
  });

  it('says so in the summary where it is allowed', async () => {
    const { summary } = await simulate(
      reducing('fisher', {
        update: {
          pipeline: [{ clip: { maxNorm: 1 } }, { gaussianNoise: { noiseMultiplier: 0.01 } }],
        },
        privacy: allow,
      }),
    );
    expect(summary.privacy.epsilon).toBe(Number.POSITIVE_INFINITY);
    expect(summary.privacy.reasons).toEqual(
      expect.arrayContaining([
        'the sensitivity of fisher is not known',
        'Fisher information of every client leave it without noise',
      ]),
    );
  });
});
