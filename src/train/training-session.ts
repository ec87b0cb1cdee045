/** Training and judging one model outside of a federation: what a program needs to make the models that it merges. */
import { platform } from '#platform';
import type { Dataset } from '../data/dataset.js';
import { InvalidArgumentError } from '../errors.js';
import { defaultBackendOptions } from '../kernels/current.js';
import type { BackendName } from '../kernels/kernels.js';
import { type BackendOptions, loadBackend, resolveBackend } from '../kernels/select.js';
import type { Model } from '../program/model.js';
import { createInlineRunner } from './inline-runner.js';
import type { JobRunner } from './job.js';
import { createLocalTrainer, type LocalTrainerOptions } from './local-trainer.js';
import { createNativeRunner } from './native-runner.js';

export interface TrainingSessionOptions extends BackendOptions {
  /** Jobs that run side by side on native. Default: one a core. */
  workers?: number;
}

export interface TrainOptions extends Omit<LocalTrainerOptions, 'batchSize' | 'epochs' | 'steps'> {
  /** Values to start from. Default: `model.init(seed)`. */
  params?: Float32Array;
  /** Examples to train on, as indices into the data. Default: all. */
  index?: Uint32Array;
  /** Default: 1. */
  epochs?: number;
  /** Default: 10. */
  batchSize?: number | 'full';
  /** Default: 0.1. */
  lr?: number;
  /** Of the order of the examples, of dropout and of start values. Default: 0. */
  seed?: number | string | bigint;
  signal?: AbortSignal;
}

export interface JudgeOptions {
  /** Examples, as indices into the data. Default: all. */
  index?: Uint32Array;
  /** Default: 250. */
  batchSize?: number;
  signal?: AbortSignal;
}

/** Of a model on data. */
export interface Judgement {
  /** Share of the examples that are classified right. */
  readonly accuracy: number;
  /** Mean loss. */
  readonly loss: number;
}

export interface TrainingSession {
  readonly model: Model;
  readonly backend: BackendName;
  /** Runs the jobs of trainers of one's own making. */
  readonly runner: JobRunner;
  /** Trained values, in new memory. Calls may run side by side; the bytes do not depend on it. */
  train(data: Dataset, options?: TrainOptions): Promise<Float32Array>;
  evaluate(params: Float32Array, data: Dataset, options?: JudgeOptions): Promise<Judgement>;
  /** Safe to call twice. */
  dispose(): Promise<void>;
}

/**
 * Opens a session for one model.
 *
 * @throws {BackendUnavailableError} if the back end asked for cannot be had.
 * @example
 * const session = await openTrainingSession(mlp());
 * const params = await session.train(data, { epochs: 2 });
 * const { accuracy } = await session.evaluate(params, test);
 */
export async function openTrainingSession(
  model: Model,
  options: TrainingSessionOptions = {},
): Promise<TrainingSession> {
  const { workers = platform.availableParallelism(), ...chosen } = options;
  const { addon, ...info } = resolveBackend({ ...defaultBackendOptions(), ...chosen });
  const kernels = await loadBackend({ ...chosen, backend: info.backend });
  const runner = addon ? createNativeRunner(addon, { workers, isa: info.isa }) : createInlineRunner(kernels);
  const judge = createLocalTrainer(model, runner, { epochs: 1, batchSize: 'full' });
  let disposed: Promise<void> | undefined;
  return {
    model,
    backend: info.backend,
    runner,
    async train(data, given = {}) {
      const { params, index = everyExample(data), epochs = 1, batchSize = 10, signal, ...rest } = given;
      const { lr = 0.1, seed = 0, ...local } = rest;
      if (params !== undefined && params.length !== model.spec.size)
        throw new InvalidArgumentError(
          'train',
          'params',
          `${model.spec.size} values, as '${model.name}' has`,
          params.length,
        );
      const start = params ?? model.init(seed);
      const trainer = createLocalTrainer(model, runner, { ...local, epochs, batchSize });
      const job = { params: start, spec: model.spec, data, index, client: 0, round: 0, seed, lr };
      const { update } = await trainer.train(job, signal);
      return update.map((value, i) => start[i] + value);
    },
    async evaluate(params, data, { index = everyExample(data), batchSize = 250, signal } = {}) {
      const { lossSum, correct, examples } = await judge.evaluate(params, data, index, batchSize, signal);
      return { accuracy: correct / examples, loss: lossSum / examples };
    },
    dispose() {
      disposed ??= runner.dispose().then(() => kernels.dispose());
      return disposed;
    },
  };
}

function everyExample({ size }: Dataset): Uint32Array {
  return Uint32Array.from({ length: size }, (_, i) => i);
}
