/** What a model can measure on data for merge rules that weigh models by it: diagonal Fisher information, Gram matrices of inputs. */
import type { Dataset } from '../data/dataset.js';
import { sharedF32 } from '../data/shared-memory.js';
import { InvalidArgumentError } from '../errors.js';
import { currentKernels } from '../kernels/current.js';
import { type DenseInputs, gramSpace } from '../program/input-gram.js';
import type { Model } from '../program/model.js';
import { fisherProgram, inputGramLayers, inputGramProgram } from '../program/programs.js';
import { startScalars } from '../program/scalars.js';
import { type ProgramExamples, programExamples } from './examples.js';
import { createInlineRunner } from './inline-runner.js';
import type { JobRunner } from './job.js';

export interface StatisticsOptions {
  /** Examples to measure on, as indices into the data, at least one. Default: all. */
  index?: Uint32Array;
  /** Runs the job, as the `runner` of a training session. Default: the calling thread, with the kernels of `init()`. */
  runner?: JobRunner;
  signal?: AbortSignal;
}

export interface FisherStatisticsOptions extends StatisticsOptions {
  /**
   * `data`: the empirical Fisher, of the labels of the data. `model`: the expectation over the labels that the model itself would draw,
   * exactly, at as many passes as there are classes. Default: 'data'.
   */
  labels?: 'data' | 'model';
}

/** The inputs of one dense layer in the mean over examples. */
export interface LayerGram extends Omit<DenseInputs, 'inputs'> {
  /** X^T X / n, [width, width], symmetric, row-major. */
  readonly gram: Float64Array;
}

export interface InputGrams {
  /** Examples behind the means. */
  readonly examples: number;
  /** In the order of the forward pass. */
  readonly layers: readonly LayerGram[];
}

/** Examples of a batch: single gradients of a batch are kept at once where a layer has no shortcut. */
const kFisherBatch = 10;
/** The sums are the same for every size; a batch of it keeps the matrix in the cache for many rows. */
const kGramBatch = 64;

/**
 * Diagonal of the Fisher information: the mean over examples of the squared gradient of log p(label | x), with the labels of the data
 * or in expectation over the model's own. Gradients are squared example by example, dropout is off.
 *
 * @param params - flat values in the layout of `model.spec`.
 * @returns one value >= 0 for each parameter, same layout; equal bytes on every runner of a numeric profile.
 * @throws {InvalidArgumentError} for values or an index that do not fit. @throws {PerExampleError} for a model that couples examples.
 * @see Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging" (arXiv 2111.09832), section 2.2.
 * @example const fisher = await diagonalFisher(model, params, data, { index });
 */
export async function diagonalFisher(
  model: Model,
  params: Float32Array,
  data: Dataset,
  options: FisherStatisticsOptions = {},
): Promise<Float32Array> {
  const index = checkedIndex('diagonalFisher', model, params, data, options);
  const { labels = 'data', signal } = options;
  if (labels !== 'data' && labels !== 'model')
    throw new InvalidArgumentError('diagonalFisher', 'labels', 'data or model', labels);
  const gradient = sharedF32(params.length);
  const sums = await withRunner(options, (runner) =>
    fisherSums(model, runner, { params, data, index, gradient, labels, signal }),
  );
  return meansOf(sums, index.length);
}

/**
 * Mean Gram matrix X^T X / n of the inputs of every dense layer (a weight that meets the data in a product; its uses at several places
 * or times count as further inputs). Convolutions have none: RegMean is defined for linear layers, and merges all else by the mean.
 * Dropout is off.
 *
 * @param params - flat values in the layout of `model.spec`.
 * @returns float64 sums of exact products in the order of `index`; equal bytes on every runner of a numeric profile.
 * @throws {InvalidArgumentError} for values or an index that do not fit.
 * @see Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (arXiv 2212.09849), section 3.2.
 * @example const { layers } = await inputGrams(model, params, data, { index });
 */
export async function inputGrams(
  model: Model,
  params: Float32Array,
  data: Dataset,
  options: StatisticsOptions = {},
): Promise<InputGrams> {
  const index = checkedIndex('inputGrams', model, params, data, options);
  const examples = programExamples(data);
  const program = inputGramProgram(model, { ...batches(index, kGramBatch), examples: examples.format });
  const layers = inputGramLayers(model).map(({ inputs, ...layer }) => {
    return { ...layer, uses: inputs.length, gram: new Float64Array(layer.width * layer.width) };
  });
  const sums = Object.fromEntries(layers.map(({ layer, gram }) => [gramSpace(layer), gram]));
  const scalars = startScalars(program, { exampleCount: data.size });
  const bindings = { ...examples.bindings, params, ...sums };
  const results = Object.keys(sums);
  await withRunner(options, (runner) =>
    runner.run({ program, bindings, results, index, epochs: 1, scalars }, options.signal),
  );
  return {
    examples: index.length,
    layers: layers.map(({ uses, gram, ...layer }) => {
      symmetrise(gram, layer.width, uses * index.length);
      return { ...layer, gram };
    }),
  };
}

/** Sums over `count` examples as float32 means. */
export function meansOf(sums: Float64Array, count: number): Float32Array {
  const means = new Float32Array(sums.length);
  for (let i = 0; i < sums.length; i++) means[i] = sums[i] / count;
  return means;
}

export interface FisherJob {
  readonly params: Float32Array;
  readonly data: Dataset;
  readonly index: Uint32Array;
  /** Scratch of the parameters' length. */
  readonly gradient: Float32Array;
  readonly labels?: 'data' | 'model';
  readonly signal?: AbortSignal;
}

/** Sums over the examples of every squared gradient entry. */
export async function fisherSums(model: Model, runner: JobRunner, job: FisherJob): Promise<Float64Array> {
  const { data, labels = 'data' } = job;
  if (labels === 'data') return squaresOf(model, runner, job, 'one', programExamples(data).bindings.labels);
  const total = new Float64Array(job.params.length);
  for (let label = 0; label < model.classes; label++) {
    const all = new Int32Array(data.size).fill(label);
    const squares = await squaresOf(model, runner, job, 'probability', all);
    for (let i = 0; i < total.length; i++) total[i] += squares[i];
  }
  return total;
}

async function squaresOf(
  model: Model,
  runner: JobRunner,
  { params, data, index, gradient, signal }: FisherJob,
  weighedBy: 'one' | 'probability',
  labels: ProgramExamples['bindings'][string],
): Promise<Float64Array> {
  const examples = programExamples(data);
  const sizes = { ...batches(index, kFisherBatch), examples: examples.format };
  const program = fisherProgram(model, sizes, weighedBy);
  const fisher = new Float64Array(params.length);
  const scalars = startScalars(program, { exampleCount: data.size });
  const bindings = { ...examples.bindings, labels, params, fisher, gradient };
  await runner.run({ program, bindings, results: ['fisher'], index, epochs: 1, scalars }, signal);
  return fisher;
}

/** Divides by the count, and copies the upper triangle, which is all that the sums fill. */
function symmetrise(gram: Float64Array, width: number, count: number): void {
  for (let i = 0; i < width; i++)
    for (let j = i; j < width; j++) {
      const mean = gram[i * width + j] / count;
      gram[i * width + j] = mean;
      gram[j * width + i] = mean;
    }
}

function batches({ length }: Uint32Array, wanted: number): { batchSize: number; tailSize: number } {
  const batchSize = Math.min(wanted, length);
  return { batchSize, tailSize: length % batchSize };
}

async function withRunner<T>(
  { runner }: StatisticsOptions,
  work: (runner: JobRunner) => Promise<T>,
): Promise<T> {
  if (runner) return work(runner);
  const inline = createInlineRunner(currentKernels());
  try {
    return await work(inline);
  } finally {
    await inline.dispose();
  }
}

function checkedIndex(
  where: string,
  model: Model,
  params: Float32Array,
  data: Dataset,
  { index }: StatisticsOptions,
): Uint32Array {
  const { size } = model.spec;
  if (params.length !== size)
    throw new InvalidArgumentError(
      where,
      'params',
      `${size} values, as '${model.name}' has`,
      `${params.length} values`,
    );
  if (data.exampleSize !== model.inputSize)
    throw new InvalidArgumentError(
      where,
      'data',
      `examples of ${model.inputSize} values`,
      `${data.exampleSize} values`,
    );
  const chosen = index ?? Uint32Array.from({ length: data.size }, (_, i) => i);
  if (chosen.length === 0 || chosen.some((example) => example >= data.size))
    throw new InvalidArgumentError(
      where,
      'index',
      `at least one example number below ${data.size}`,
      chosen.length === 0 ? 'none' : chosen.reduce((most, example) => Math.max(most, example)),
    );
  return chosen;
}
