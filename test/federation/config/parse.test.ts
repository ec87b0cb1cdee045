import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError, type ConfigProblem } from '../../../src/config/errors.js';
import { parseConfig, resolveTask } from '../../../src/federation/config/resolve.js';
import { TASK_NAMES } from '../../../src/federation/config/schema.js';

function problemsOf(act: () => unknown): readonly ConfigProblem[] {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('expected a ConfigError');
}

const parse = (text: string) => parseConfig(text, { source: 'run.yaml' });
/** A valid run in flow style on line 2, so that columns are easy to count. */
const withClient = (client: string) => `data: { task: mnist-2nn }\nclient: ${client}\n`;

describe('the shipped examples', () => {
  it('mnist.yaml resolves to the protected run', () => {
    const { config, notes } = parse(readFileSync('examples/mnist.yaml', 'utf8'));
    expect(notes).toEqual([]);
    expect(config.run).toEqual({
      name: 'mnist-2nn-protected',
      seed: 0,
      numServerRounds: 100,
      dir: '../runs',
      onDiverge: 'fail',
      targetMetric: 'central-val/accuracy',
      targetValue: 0.9,
      stopAtTarget: false,
    });
    expect(config.data.partitioner).toEqual({
      type: 'shards',
      numPartitions: 100,
      shardsPerClient: 2,
      shardSize: 300,
    });
    expect(config.model).toEqual({
      type: 'mlp',
      layers: [784, 200, 200, 10],
      activation: 'relu',
      init: 'glorot-uniform',
    });
    expect(config.update).toEqual({
      reduce: 'fixed-denominator',
      pipeline: [
        {
          fisherDropout: {
            rates: [0, 0.25, 0.5],
            assign: 'round-robin',
            score: 'sum',
            selection: 'private-fisher',
            refreshEvery: 5,
          },
        },
        { clip: { maxNorm: 2 } },
        { quantize: { format: 'int8', block: 256, rounding: 'nearest' } },
        {
          gaussianNoise: { where: 'server', noiseMultiplier: 1, noiseCohortSize: 1000, source: 'simulation' },
        },
      ],
    });
    expect(config.privacy).toEqual({
      accountant: 'none',
      unaccounted: 'allow',
      unit: 'client',
      delta: 1e-5,
      population: 100_000,
    });
  });

  it('mnist-plain.yaml is the same run without a pipeline', () => {
    const plain = parse(readFileSync('examples/mnist-plain.yaml', 'utf8')).config;
    const protectedRun = parse(readFileSync('examples/mnist.yaml', 'utf8')).config;
    expect(plain).toEqual({
      ...protectedRun,
      run: { ...protectedRun.run, name: 'mnist-2nn-plain' },
      update: { reduce: 'fixed-denominator', pipeline: [] },
    });
  });
});

describe('bare tasks', () => {
  it.each([...TASK_NAMES])('%s has one budget of local work, one cohort size and a model', (task) => {
    const { config } = resolveTask(task);
    expect(config.client.localEpochs === undefined).not.toBe(config.client.localSteps === undefined);
    expect(config.strategy.cohortSize === undefined).not.toBe(config.strategy.fractionTrain === undefined);
    expect(config.run.name).toBe(task);
    expect(config.update.pipeline).toEqual([]);
  });

  it("mnist-lr has FLUTE's published values", () => {
    const { config } = resolveTask('mnist-lr');
    expect(config.data.partitioner).toEqual({ type: 'iid', numPartitions: 1000 });
    expect(config.client).toMatchObject({ localEpochs: 1, batchSize: 10, lr: 0.03 });
    expect(config.strategy.cohortSize).toBe(10);
    expect(config.run.numServerRounds).toBe(100);
    expect(config.eval.frequency).toBe(20);
  });

  it('an unknown task names the nearest', () => {
    const [problem, ...others] = problemsOf(() => resolveTask('mnist-2n'));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: 'data.task', hint: 'did you mean "mnist-2nn"?' });
  });
});

describe('defaults under a task', () => {
  it('local steps take the place of the default epochs', () => {
    const { client } = parse(withClient('{ local-steps: 7 }')).config;
    expect(client.localSteps).toBe(7);
    expect(client.localEpochs).toBeUndefined();
  });

  it('another model type takes none of the default keys', () => {
    const { model } = parse('data: { task: mnist-2nn }\nmodel: { type: softmax-regression }').config;
    expect(model).toEqual({ type: 'softmax-regression', init: 'glorot-uniform' });
  });

  it('a part of the default model can change alone', () => {
    const { model } = parse('data: { task: mnist-2nn }\nmodel: { activation: tanh }').config;
    expect(model).toMatchObject({ type: 'mlp', layers: [784, 200, 200, 10], activation: 'tanh' });
  });

  it('a default cohort shrinks to a smaller population, a given one does not', () => {
    const small = 'data: { task: mnist-2nn, partitioner: { num-partitions: 4 } }\n';
    expect(parse(small).config.strategy.cohortSize).toBe(4);
    const [problem] = problemsOf(() => parse(`${small}strategy: { cohort-size: 10 }`));
    expect(problem).toMatchObject({ path: 'strategy.cohort-size', line: 2, column: 13 });
    expect(problem?.message).toContain('run.yaml:1:41');
  });

  it('fedavgm means server momentum 0.9', () => {
    const { strategy } = parse('data: { task: mnist-2nn }\nstrategy: { type: fedavgm }').config;
    expect(strategy).toMatchObject({ serverOptimizer: 'sgdm', serverMomentum: 0.9 });
  });
});

describe('what is refused, and where', () => {
  it('reports every problem of a file at once, in order of place', () => {
    const text = [
      'schema: 1',
      'run: { sed: 3 }',
      'data: { task: mnist-2nn }',
      'client: { lr: abc, batch-size: 0, optimizer: sdg, local-epochs: 1, local-steps: 2 }',
      'batch-size: 3',
    ].join('\n');
    const found = problemsOf(() => parse(text)).map(({ path, line, column, hint }) => [
      path,
      line,
      column,
      hint,
    ]);
    expect(found.map(([path]) => path)).toEqual([
      'run.sed',
      'client.lr',
      'client.batch-size',
      'client.optimizer',
      'client.local-epochs',
      'batch-size',
    ]);
    expect(found[0]).toEqual(['run.sed', 2, 8, 'did you mean "seed"?']);
    expect(found[3]?.slice(1)).toEqual([4, 35, 'did you mean "sgd"?']);
    expect(found[5]?.slice(1)).toEqual([5, 1, 'did you mean "client.batch-size"?']);
  });

  it('has code ERR_CONFIG and a message with file, line, column and fix', () => {
    try {
      parse(withClient('{ lr: -1 }'));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).code).toBe('ERR_CONFIG');
      expect((error as ConfigError).message).toContain('run.yaml:2:11: client.lr is -1 but must be above 0');
      expect((error as ConfigError).hint).toContain('local learning rate, above 0');
    }
  });

  it('two spellings of one key', () => {
    const [problem] = problemsOf(() => parse(withClient('{ local-epochs: 1, local_epochs: 1 }')));
    expect(problem).toMatchObject({ path: 'client.local-epochs', line: 2, column: 28 });
    expect(problem?.message).toContain('"local-epochs" (line 2)');
  });

  it('the same key twice', () => {
    expect(problemsOf(() => parse(withClient('{ lr: 1, lr: 2 }')))[0]?.path).toBe('client.lr');
  });

  it('a key of another type, naming the type it belongs to', () => {
    const [problem] = problemsOf(() =>
      parse('data: { task: mnist-2nn, partitioner: { type: iid, shard-size: 3 } }'),
    );
    expect(problem?.message).toBe('is a key of type shards, but type is iid');
  });

  it.each([
    ['model: { type: mpl }', 'model.type', 'did you mean "mlp"?'],
    ['privacy: { accountant: pld }', 'privacy.accountant', 'available: none'],
    ['update: { pipeline: [{ quantise: {} }] }', 'update.pipeline[0].quantise', 'did you mean "quantize"?'],
    ['update: { pipeline: [{}] }', 'update.pipeline[0]', 'one stage per list entry'],
    ['model: { type: custom }', 'model.type', 'built-in'],
    ['run: { target-metric: central-val/acuracy }', 'run.target-metric', '"central-val/accuracy"'],
    ['run: { name: ../../etc }', 'run.name', 'letters, digits'],
    ['run: { seed: 18446744073709551615 }', 'run.seed', 'in quotes'],
    ['run: { seed: "18446744073709551616" }', 'run.seed', '2^64 - 1'],
    ['schema: 2', 'schema', 'version of this configuration format'],
    ['run: { stop-at-target: true }', 'run.stop-at-target', 'run.target-value'],
    ['run: { seed: }', 'run.seed', '0 to 2^64 - 1'],
    ['client: 3', 'client', 'local training'],
    ['client: { lr: .inf }', 'client.lr', 'above 0'],
    ['data2: {}', 'data2', 'did you mean "data"?'],
    ['client: { nesterov: true }', 'client.nesterov', 'sgdm'],
    ['strategy: { type: fedavgm, server-optimizer: sgd }', 'strategy.server-optimizer', 'sgdm'],
    ['backend: { type: wasm, isa: avx2 }', 'backend.isa', 'native'],
    ['model: { type: mlp, layers: [100, 10] }', 'model.layers', '[784, ..., 10]'],
    ['model: { type: cifar10-cnn }', 'model.type', 'choose a model'],
    [
      'update: { pipeline: [{ clip: { max-norm: 1 } }, { clip: { max-norm: 1 } }] }',
      'update.pipeline[1].clip',
      'keep one',
    ],
    [
      'update: { pipeline: [{ quantize: { format: f16 } }, { clip: { max-norm: 1 } }] }',
      'update.pipeline[1].clip',
      'before quantize',
    ],
    ['__proto__: { lr: 1 }', '__proto__', 'the keys at the top'],
  ])('%s', (line, path, hint) => {
    const head = line.startsWith('data:') ? '' : 'data: { task: mnist-2nn }\n';
    const found = problemsOf(() => parse(`${head}${line}\n`));
    expect(found.map((problem) => problem.path)).toEqual([path]);
    expect(found[0]?.hint).toContain(hint);
    expect(found[0]?.line).toBe(2);
  });

  it('data that is neither task nor source, or both', () => {
    expect(problemsOf(() => parse('schema: 1'))[0]).toMatchObject({ path: 'data' });
    const source = 'source: { format: idx, images: a, labels: b, test-images: c, test-labels: d }';
    const [both] = problemsOf(() => parse(`data: { task: mnist-2nn, ${source} }`));
    expect(both?.path).toBe('data.task');
    const [model] = problemsOf(() => parse(`data: { ${source} }`));
    expect(model).toMatchObject({ path: 'model' });
    expect(parse(`data: { ${source} }\nmodel: { type: mnist-cnn }`).config.data.source).toMatchObject({
      testImages: 'c',
    });
  });

  it('text that is not one YAML map', () => {
    expect(problemsOf(() => parse('client: { lr: 1'))[0]?.message).toContain('not valid YAML');
    expect(problemsOf(() => parse('- 1\n- 2'))[0]?.message).toContain('not a map');
    expect(problemsOf(() => parse('a: 1\n---\nb: 2'))[0]?.message).toContain('more than one YAML document');
    expect(problemsOf(() => parse(''))[0]?.path).toBe('data');
  });

  it('hostile text: deep nesting, anchors that multiply, sheer size', () => {
    expect(problemsOf(() => parse('['.repeat(100_000)))[0]?.message).toContain('deeper');
    expect(problemsOf(() => parse('- '.repeat(20_000))).length).toBeGreaterThan(0);
    const bomb = ['a: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]'];
    for (let i = 1; i < 9; i++) bomb.push(`a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}*a${i - 1}]`);
    expect(problemsOf(() => parse(bomb.join('\n'))).some(({ message }) => message.includes('anchors'))).toBe(
      true,
    );
    expect(problemsOf(() => parse('#'.repeat((1 << 20) + 1)))[0]?.message).toContain('characters');
  });
});

it('reads JSON with a link to its schema', () => {
  const text = JSON.stringify({ $schema: './heddle.schema.json', data: { task: 'mnist-lr' } });
  expect(parse(text).config.data.task).toBe('mnist-lr');
});

it('a seed has one form whatever its spelling', () => {
  const seedOf = (seed: string) => parse(`data: { task: mnist-lr }\nrun: { seed: ${seed} }`).config.run.seed;
  expect(seedOf('"7"')).toBe(7);
  expect(seedOf('"18446744073709551615"')).toBe('18446744073709551615');
});
