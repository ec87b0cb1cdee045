import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/errors.js';
import { parseConfig } from '../../../src/federation/config/resolve.js';

/** Keys and values of pfl-research's published CIFAR-10 baseline (2404.06430, image classification benchmark). */
const PFL_BASELINE: Readonly<Record<string, string | number | boolean>> = {
  data_path: './data/cifar10',
  seed: 0,
  dataset: 'cifar10_iid',
  model_name: 'simple_cnn',
  algorithm_name: 'fedavg',
  mean_datapoints_per_user: 50,
  datapoints_per_user_distribution: 'constant',
  central_privacy_mechanism: 'none',
  central_epsilon: 2.0,
  central_delta: 1e-6,
  central_privacy_clipping_bound: 0.4,
  noise_cohort_size: 1000,
  learning_rate: 1.0,
  cohort_size: 50,
  val_cohort_size: 0,
  central_num_iterations: 1500,
  local_num_epochs: 1,
  local_learning_rate: 0.1,
  weight_by_samples: false,
  evaluation_frequency: 10,
  local_batch_size: 10,
  central_eval_batch_size: 10000,
  add_all_arguments: true,
  mu: 0.01,
  adafedprox_metric_name: 'Central val | loss',
  adafedprox_adapt_frequency: 10,
  scaffold_population: 1000,
};

const resolve = (change: Readonly<Record<string, unknown>> = {}) =>
  parseConfig(JSON.stringify({ ...PFL_BASELINE, ...change }, null, 1), { source: 'pfl.yaml' });

function pathsRefused(change: Readonly<Record<string, unknown>>): string[] {
  try {
    resolve(change);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.path);
    throw error;
  }
  return [];
}

describe("pfl-research's CIFAR-10 baseline pasted as it is", () => {
  it('means the same run', () => {
    const { config } = resolve();
    expect(config.data).toMatchObject({
      task: 'cifar10-cnn',
      root: './data/cifar10',
      partitioner: { type: 'iid', numPartitions: 1000 },
    });
    expect(config.model.type).toBe('cifar10-cnn');
    expect(config.run).toMatchObject({ seed: 0, numServerRounds: 1500 });
    expect(config.client).toMatchObject({ localEpochs: 1, batchSize: 10, lr: 0.1 });
    expect(config.strategy).toMatchObject({
      type: 'fedavg',
      cohortSize: 50,
      weightedBy: 'uniform',
      serverLr: 1,
    });
    expect(config.eval).toMatchObject({ frequency: 10, batchSize: 10_000 });
    expect(config.privacy.delta).toBe(1e-6);
  });

  it('names every key that has no effect, with its line', () => {
    const { notes } = resolve();
    expect(notes.map((note) => note.path).sort()).toEqual([
      'adafedprox-adapt-frequency',
      'adafedprox-metric-name',
      'add-all-arguments',
      'central-epsilon',
      'central-privacy-clipping-bound',
      'mu',
      'noise-cohort-size',
      'scaffold-population',
      'val-cohort-size',
    ]);
    const lines = Object.keys(PFL_BASELINE);
    for (const note of notes) expect(note.line).toBe(2 + lines.indexOf(note.path.replaceAll('-', '_')));
  });
});

describe('values that mean another thing here', () => {
  it('a concentration per class becomes one over a prior that sums to 1', () => {
    const { config, notes } = resolve({ dataset: 'cifar10', partition_alpha: 0.1 });
    expect(config.data.partitioner).toEqual({ type: 'dirichlet', numPartitions: 1000, alpha: 1 });
    expect(notes.some((note) => note.path === 'partition-alpha')).toBe(true);
  });

  it.each([
    [{ central_privacy_mechanism: 'gaussian_moments_accountant' }, 'central-privacy-mechanism'],
    [{ algorithm_name: 'scaffold' }, 'algorithm-name'],
    [{ dataset: 'femnist', mean_datapoints_per_user: undefined }, 'dataset'],
    [{ model_name: 'resnet18' }, 'model-name'],
    [{ datapoints_per_user_distribution: 'poisson' }, 'datapoints-per-user-distribution'],
    [{ weight_by_samples: 'yes' }, 'weight-by-samples'],
    [{ client: { lr: 1 } }, 'client.lr'],
    [{ local_num_epoch: 1 }, 'localNumEpoch'],
  ])('%j is refused', (change, path) => {
    const refused = pathsRefused(change);
    expect(refused.some((name) => name === path || name.replaceAll('-', '') === path.toLowerCase())).toBe(
      true,
    );
  });
});
