/** The built-in trainer: a traced model's programs on a job runner. */
import type { Dataset } from '../data/dataset.js';
import { sharedF32 } from '../data/shared-memory.js';
import { InvalidArgumentError } from '../errors.js';
import { randomKey } from '../kernels/address.js';
import type { Model } from '../program/model.js';
import { evaluationProgram, type TrainingOptions, trainingProgram } from '../program/programs.js';
import { startScalars } from '../program/scalars.js';
import { programExamples } from './examples.js';
import type { JobRunner } from './job.js';
import { type FisherStatisticsOptions, fisherSums, type InputGrams, inputGrams } from './statistics.js';
import type { Evaluation, Trainer, TrainJob, TrainResult } from './trainer.js';

export interface LocalTrainerOptions
  extends Pick<
    TrainingOptions,
    'optimizer' | 'weightDecay' | 'maxGradNorm' | 'exampleClip' | 'terms' | 'schedule'
  > {
  /** Exactly one of the two. */
  epochs?: number;
  steps?: number;
  /** Examples of a batch, or all of the client's. */
  batchSize: number | 'full';
  /** Leave out the short last batch of an epoch. */
  dropRemainder?: boolean;
}

/** Trains, scores and evaluates one model. */
export interface LocalTrainer extends Trainer {
  /**
   * Sums over the examples of every squared gradient entry: examples times the diagonal Fisher, float64.
   *
   * @param options.labels - as for `diagonalFisher`. Default: 'data', the empirical Fisher.
   */
  fisher(
    params: Float32Array,
    data: Dataset,
    index: Uint32Array,
    options?: Pick<FisherStatisticsOptions, 'labels' | 'signal'>,
  ): Promise<Float64Array>;
  /** Mean Gram matrices of the inputs of every dense layer. */
  inputGrams(
    params: Float32Array,
    data: Dataset,
    index: Uint32Array,
    signal?: AbortSignal,
  ): Promise<InputGrams>;
  /** Loss sum and correct predictions over `index`, in batches of `batchSize` in that order. */
  evaluate(
    params: Float32Array,
    data: Dataset,
    index: Uint32Array,
    batchSize: number,
    signal?: AbortSignal,
  ): Promise<Evaluation>;
}

/** Vectors that live for one job, handed from job to job so that a run allocates a fixed number of them. */
class VectorPool {
  readonly #free = new Map<number, Float32Array[]>();

  take(size: number): Float32Array {
    return this.#free.get(size)?.pop() ?? sharedF32(size);
  }

  give(vector: Float32Array): void {
    const list = this.#free.get(vector.length) ?? [];
    list.push(vector);
    this.#free.set(vector.length, list);
  }
}

/** Most jobs of one evaluation. Their number must not depend on the threads, or the rounding of the loss sum would. */
const kEvaluationJobs = 16;

/** Whole batches of an evaluation, cut into jobs that can run side by side. */
function evaluationParts(index: Uint32Array, batchSize: number): Uint32Array[] {
  const step = batchSize * Math.ceil(index.length / batchSize / kEvaluationJobs);
  const parts: Uint32Array[] = [];
  for (let start = 0; start < index.length; start += step) parts.push(index.subarray(start, start + step));
  return parts;
}

/** @throws {InvalidArgumentError} unless exactly one of `epochs` and `steps` is given. */
export function createLocalTrainer(
  model: Model,
  runner: JobRunner,
  options: LocalTrainerOptions,
): LocalTrainer {
  const { epochs, steps, batchSize, dropRemainder = false, ...training } = options;
  if ((epochs === undefined) === (steps === undefined))
    throw new InvalidArgumentError('createLocalTrainer', 'options', 'exactly one of epochs and steps', {
      epochs,
      steps,
    });
  const vectors = new VectorPool();

  const batches = (n: number, wanted: number | 'full'): { batchSize: number; tailSize: number } => {
    const size = wanted === 'full' ? n : Math.min(wanted, n);
    return { batchSize: size, tailSize: n % size };
  };

  const evaluatePart = async (
    params: Float32Array,
    data: Dataset,
    index: Uint32Array,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<Float64Array> => {
    const examples = programExamples(data);
    const program = evaluationProgram(model, { ...batches(index.length, size), examples: examples.format });
    const totals = new Float64Array(3);
    const scalars = startScalars(program, { exampleCount: data.size });
    const bindings = { ...examples.bindings, params, totals };
    await runner.run({ program, bindings, index, epochs: 1, scalars }, signal);
    return totals;
  };

  return {
    name: model.name,
    async train(job: TrainJob, signal?: AbortSignal): Promise<TrainResult> {
      const n = job.index.length;
      const sizes = batches(n, batchSize);
      if (dropRemainder) sizes.tailSize = 0;
      const data = programExamples(job.data);
      const program = trainingProgram(model, {
        ...training,
        ...sizes,
        widths: job.widths,
        examples: data.format,
      });
      const scratch = program.spaces
        .filter(
          ({ name, role }) =>
            (role === 'slot' || role === 'gradient' || role === 'state') && name !== 'delta',
        )
        .map(({ name, length }) => ({ name, vector: vectors.take(length) }));
      const delta = vectors.take(job.params.length);
      const totals = new Float64Array(3);
      const stepsPerEpoch = Math.floor(n / sizes.batchSize) + (sizes.tailSize > 0 ? 1 : 0);
      try {
        await runner.run(
          {
            program,
            bindings: {
              ...data.bindings,
              ...Object.fromEntries(scratch.map(({ name, vector }) => [name, vector])),
              initial: job.params,
              delta,
              totals,
            },
            results: ['delta', 'totals'],
            index: job.index,
            epochs: epochs ?? Math.ceil((steps ?? 0) / stepsPerEpoch),
            steps,
            shuffle: randomKey(job.seed, { purpose: 'batch', round: job.round, entity: job.client }),
            scalars: startScalars(program, {
              lr: job.lr,
              exampleCount: job.data.size,
              dropoutKey: randomKey(job.seed, { purpose: 'dropout', round: job.round, entity: job.client }),
            }),
          },
          signal,
        );
        // The caller owns its result; the shared vector goes back to the pool.
        const update = Float32Array.from(delta);
        const [lossSum, correct, examples] = totals;
        return { update, lossSum, correct, examples, steps: steps ?? stepsPerEpoch * (epochs ?? 1) };
      } finally {
        vectors.give(delta);
        for (const { vector } of scratch) vectors.give(vector);
      }
    },
    async fisher(params, data, index, options = {}) {
      const gradient = vectors.take(params.length);
      try {
        return await fisherSums(model, runner, { params, data, index, gradient, ...options });
      } finally {
        vectors.give(gradient);
      }
    },
    inputGrams: (params, data, index, signal) => inputGrams(model, params, data, { index, runner, signal }),
    async evaluate(params, data, index, size, signal) {
      const parts = evaluationParts(index, size);
      const sums = await Promise.all(parts.map((part) => evaluatePart(params, data, part, size, signal)));
      const total = { lossSum: 0, correct: 0, examples: 0 };
      for (const [lossSum, correct, examples] of sums) {
        total.lossSum += lossSum;
        total.correct += correct;
        total.examples += examples;
      }
      return total;
    },
  };
}
