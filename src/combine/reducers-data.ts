/** Reductions that weigh clients by what they measured on their own data: Fisher merging and RegMean, in update space. */
import { InvalidArgumentError } from '../errors.js';
import { currentKernels } from '../kernels/current.js';
import type { Kernels } from '../kernels/kernels.js';
import { fisherMean, fisherNorm } from './merge/fisher.js';
import { regMean } from './merge/regmean.js';
import type {
  ClientStatistics,
  GatheringContext,
  GatheringReducer,
  ReceivedGram,
  UpdateTensor,
} from './reducers.js';

interface MeasuringOptions {
  /** Examples of a client that are measured, its first, >= 1. Default: all. */
  examples?: number;
}

export interface FisherReducerOptions extends MeasuringOptions {
  /** Least Fisher information of an element, >= 0: where all are below it, the mean by weight. Default: 1e-6. */
  fisherFloor?: number;
  /** Divide each client's Fisher by its L2 norm over the whole model, so that no client outweighs the others. Default: false. */
  normalizeFishers?: boolean;
  /**
   * `data`: the empirical Fisher information, of the labels of the data; `model`: in expectation over the labels that the model would
   * draw, at the cost of as many passes as there are classes. Default: 'data'.
   */
  labels?: 'data' | 'model';
}

export interface RegMeanReducerOptions extends MeasuringOptions {
  /** Factor of the off-diagonal elements of Gram matrices, in [0, 1]: 0 is a diagonal, 1 the least-squares solution. Default: 0.9. */
  alpha?: number;
}

/**
 * Fisher merging of the clients: each parameter is averaged by weight times the diagonal Fisher information, which a client
 * measures on its data at the model that it trained, and sends as one float32 for each parameter.
 *
 * The mean of models is linear in them, so that the mean of their updates gives the same step.
 *
 * @throws {InvalidArgumentError} for options out of range, and from `reduce` without statistics.
 * @see Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging" (arXiv 2111.09832), eq. 3.
 */
export function fisher(options: FisherReducerOptions = {}): GatheringReducer {
  const { fisherFloor: floor = 1e-6, normalizeFishers = false, labels = 'data', examples } = options;
  checkExamples('fisher', examples);
  if (labels !== 'data' && labels !== 'model')
    throw new InvalidArgumentError('fisher', 'labels', 'data or model', labels);
  if (!(floor >= 0 && floor < Infinity))
    throw new InvalidArgumentError('fisher', 'fisherFloor', 'a finite number of at least 0', floor);
  return {
    kind: 'gathering',
    name: 'fisher',
    statistics: { kind: 'fisher', labels, examples },
    reduce(out, updates, weights, begin, end, context) {
      if (updates.length === 0) {
        out.fill(0, begin, end);
        return;
      }
      const kernels = context?.kernels ?? currentKernels();
      const values = measured('fisher', updates, context).map((each) => valuesOf(each));
      // A client without any information has no direction to scale: its floor counts alone.
      const norms = normalizeFishers ? values.map((each) => fisherNorm([each], kernels) || 1) : undefined;
      const part = (vector: Float32Array): Float32Array => vector.subarray(begin, end);
      const options = { coefficients: shares(weights), floor, norms, kernels };
      fisherMean(updates.map(part), values.map(part), options, part(out));
    },
  };
}

/**
 * RegMean of the clients: the weight of every dense layer becomes the least-squares solution over the inputs that the layer has on all
 * clients, by weight; everything else (biases, convolutions, norms) becomes the weighted mean. A client measures the Gram matrix
 * X^T X / n of the inputs of each dense layer on its data, at the model that it trained, and sends its upper triangle as float32.
 *
 * A layer that is applied several times or over time counts each input. The paper defines the rule for linear layers alone, and its
 * code leaves convolutions to the mean, as is done here. The solution is linear in the models, so that the one of their updates gives the
 * same step; directions in which no client has inputs stay as they are.
 *
 * @throws {InvalidArgumentError} for options out of range, and from `reduce` without statistics.
 * @see Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (arXiv 2212.09849), eq. 2 and section 3.2.
 */
export function regmean(options: RegMeanReducerOptions = {}): GatheringReducer {
  const { alpha = 0.9, examples } = options;
  checkExamples('regmean', examples);
  if (!(alpha >= 0 && alpha <= 1))
    throw new InvalidArgumentError('regmean', 'alpha', 'a factor from 0 to 1', alpha);
  return {
    kind: 'gathering',
    name: 'regmean',
    statistics: { kind: 'input-grams', examples },
    reduce(out, updates, weights, begin, end, context) {
      if (updates.length < 2) {
        if (updates.length === 0) out.fill(0, begin, end);
        else out.set(updates[0].subarray(begin, end), begin);
        return;
      }
      const grams = measured('regmean', updates, context).map((each) => layersOf(each));
      const kernels = context?.kernels ?? currentKernels();
      const coefficients = shares(weights);
      for (const tensor of context?.tensors ?? []) {
        const { name, offset, size } = tensor;
        const [from, to] = [Math.max(begin, offset), Math.min(end, offset + size)];
        if (from >= to) continue;
        const own = grams.flatMap((layers) => layers.get(name) ?? []);
        if (own.length < updates.length) {
          const parts = updates.map((update) => update.subarray(from, to));
          kernels.weightedSumF32(out.subarray(from, to), parts, Float64Array.from(coefficients));
        } else {
          const { values, ridge } = solveLayer(kernels, tensor, updates, own, coefficients, alpha);
          out.set(values.subarray(from - offset, to - offset), from);
          context?.report(name, { ridge });
        }
      }
    },
  };
}

function solveLayer(
  kernels: Kernels,
  { offset, size }: UpdateTensor,
  updates: readonly Float32Array[],
  grams: readonly ReceivedGram[],
  coefficients: readonly number[],
  alpha: number,
): { values: Float32Array; ridge: number } {
  const [{ width, layout }] = grams;
  return regMean({
    weights: updates.map((update) => update.subarray(offset, offset + size)),
    grams: grams.map(({ gram }) => gram),
    inFeatures: width,
    outFeatures: size / width,
    layout,
    alpha,
    coefficients,
    kernels,
  });
}

/** The statistics of the context, checked to be one for each update. */
function measured(
  name: string,
  updates: readonly Float32Array[],
  context: GatheringContext | undefined,
): readonly ClientStatistics[] {
  const statistics = context?.statistics ?? [];
  if (statistics.length !== updates.length)
    throw new InvalidArgumentError(
      name,
      'statistics of the context',
      `those of ${updates.length} clients`,
      statistics.length,
      'reduce with this rule inside a federation, whose clients measure them, or pass a context',
    );
  return statistics;
}

function valuesOf(statistics: ClientStatistics): Float32Array {
  if (statistics.kind !== 'fisher')
    throw new InvalidArgumentError('fisher', 'statistics', 'Fisher information', statistics.kind);
  return statistics.values;
}

function layersOf(statistics: ClientStatistics): ReadonlyMap<string, ReceivedGram> {
  if (statistics.kind !== 'input-grams')
    throw new InvalidArgumentError('regmean', 'statistics', 'Gram matrices of inputs', statistics.kind);
  return statistics.layers;
}

function shares(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function checkExamples(name: string, examples: number | undefined): void {
  if (examples !== undefined && !(Number.isInteger(examples) && examples >= 1))
    throw new InvalidArgumentError(name, 'examples', 'an integer of at least 1', examples);
}
