import type { TaskName } from './schema.js';

/** What a standard task brings: the facts about its data that configuration checks need, and its defaults. */
export interface TaskPreset {
  /** Shape of one example. */
  readonly input: readonly number[];
  readonly classes: number;
  readonly nTrainExamples: number;
  /** Defaults below the user's own keys, camelCase, same tree as the configuration. */
  readonly defaults: Readonly<Record<string, unknown>>;
}

const MNIST = { input: [784], classes: 10, nTrainExamples: 60_000 } as const;

/**
 * The standard tasks. Sources of the values: `mnist-lr` the FLUTE README (1000 clients, 10 a round, batch 10,
 * lr 0.03, test every 20 rounds); `mnist-2nn` and `mnist-cnn` McMahan et al. 2017 (100 clients, C = 0.1, batch 10,
 * E = 1 and 5); `cifar10-cnn` pfl-research's CIFAR-10 baseline (1000 clients, 50 a round, 1500 rounds).
 */
export const TASK_PRESETS: Readonly<Record<TaskName, TaskPreset>> = {
  'mnist-lr': {
    ...MNIST,
    defaults: {
      run: { name: 'mnist-lr', numServerRounds: 100 },
      data: { partitioner: { type: 'iid', numPartitions: 1000 } },
      model: { type: 'softmax-regression' },
      client: { localEpochs: 1, batchSize: 10, lr: 0.03 },
      strategy: { cohortSize: 10 },
      eval: { frequency: 20 },
    },
  },
  'mnist-2nn': {
    ...MNIST,
    defaults: {
      run: { name: 'mnist-2nn', numServerRounds: 100 },
      data: { partitioner: { type: 'iid', numPartitions: 100 } },
      model: { type: 'mlp', layers: [784, 200, 200, 10], activation: 'relu' },
      client: { localEpochs: 1, batchSize: 10, lr: 0.1 },
      strategy: { cohortSize: 10 },
    },
  },
  'mnist-cnn': {
    ...MNIST,
    defaults: {
      run: { name: 'mnist-cnn', numServerRounds: 40 },
      data: { partitioner: { type: 'iid', numPartitions: 100 } },
      model: { type: 'mnist-cnn' },
      client: { localEpochs: 5, batchSize: 10, lr: 0.1 },
      strategy: { cohortSize: 10 },
    },
  },
  'cifar10-cnn': {
    input: [3, 32, 32],
    classes: 10,
    nTrainExamples: 50_000,
    defaults: {
      run: { name: 'cifar10-cnn', numServerRounds: 1500 },
      data: { partitioner: { type: 'iid', numPartitions: 1000 } },
      model: { type: 'cifar10-cnn' },
      client: { localEpochs: 1, batchSize: 10, lr: 0.1 },
      strategy: { cohortSize: 50 },
      eval: { frequency: 10 },
    },
  },
};

const WITHOUT_TASK = {
  client: { localEpochs: 1 },
  strategy: { cohortSize: 10 },
};

/** Pairs of which a configuration holds exactly one: a given one removes the default of the other. */
export const EXCLUSIVE_PAIRS = [
  { section: 'client', keys: ['localEpochs', 'localSteps'] },
  { section: 'strategy', keys: ['cohortSize', 'fractionTrain'] },
] as const;

/**
 * The user's plain configuration over the defaults of its task. A section that chooses another `type` than the
 * default takes none of the default's keys; a default cohort never exceeds a population the user made smaller.
 *
 * @param nNamedClients - clients that a dataset object names itself, if any.
 */
export function withTaskDefaults(given: unknown, nNamedClients?: number): unknown {
  if (!isRecord(given)) return given;
  const task = isRecord(given.data) ? given.data.task : undefined;
  const preset =
    typeof task === 'string' && Object.hasOwn(TASK_PRESETS, task)
      ? TASK_PRESETS[task as TaskName]
      : undefined;
  const defaults = structuredClone(preset?.defaults ?? WITHOUT_TASK) as Record<string, unknown>;
  for (const { section, keys } of EXCLUSIVE_PAIRS) {
    const mine = given[section];
    const theirs = defaults[section];
    if (isRecord(mine) && isRecord(theirs) && keys.some((key) => key in mine))
      for (const key of keys) delete theirs[key];
  }
  capDefaultCohort(given, defaults, nNamedClients);
  return layer(defaults, given);
}

function capDefaultCohort(
  given: Record<string, unknown>,
  defaults: Record<string, unknown>,
  nNamedClients?: number,
): void {
  const partitioner = isRecord(given.data) ? given.data.partitioner : undefined;
  const population = (isRecord(partitioner) ? partitioner.numPartitions : undefined) ?? nNamedClients;
  const strategy = defaults.strategy;
  if (!isRecord(strategy) || typeof strategy.cohortSize !== 'number') return;
  if (typeof population === 'number' && population >= 1)
    strategy.cohortSize = Math.min(strategy.cohortSize, population);
}

function layer(below: unknown, above: unknown): unknown {
  if (!isRecord(below) || !isRecord(above)) return above;
  if ('type' in below && 'type' in above && below.type !== above.type) return above;
  const entries = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above))
    entries.set(key, entries.has(key) ? layer(entries.get(key), value) : value);
  return Object.fromEntries(entries);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
