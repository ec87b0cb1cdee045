/** Greedy soup: a running mean of models that takes in the next best one whenever that raises a held-out score. */
import { InvalidArgumentError } from '../../errors.js';
import { currentKernels } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';

export interface SoupStep {
  /** Index of the model that was tried. */
  readonly model: number;
  /** Score of the soup with it. */
  readonly score: number;
  readonly accepted: boolean;
}

/** What has been decided so far; plain data, so that it can be stored and given back to go on. */
export interface SoupTrace {
  /** Score of each model alone, as far as they are known. */
  readonly scores: readonly number[];
  readonly steps: readonly SoupStep[];
}

export interface GreedySoupOptions {
  /** Number of models. */
  count: number;
  /** Weights of model k as one flat vector; it is read before the next call. */
  load(k: number): Float32Array | Promise<Float32Array>;
  /** Score on held-out data, higher is better. The vector is only valid during the call. */
  score(weights: Float32Array): number | Promise<number>;
  /** Take in a model that leaves the score as it is. Default: false, as the released code of the paper. */
  acceptEqual?: boolean;
  /** Where an earlier run got to. */
  trace?: SoupTrace;
  /** Called after every score with the trace so far: store it to be able to go on. */
  onStep?(trace: SoupTrace): void | Promise<void>;
  signal?: AbortSignal;
  kernels?: Kernels;
}

export interface GreedySoup {
  readonly weights: Float32Array;
  /** Models in the soup, in order of their acceptance. */
  readonly ingredients: readonly number[];
  readonly score: number;
  readonly trace: SoupTrace;
}

/**
 * Models are tried best first (equal scores: lower index first). The candidate is soup * k / (k + 1) + x / (k + 1); the result is the mean of the
 * ingredients, computed anew. Costs `count` scores of models and `count - 1` of candidates.
 *
 * @throws {InvalidArgumentError} for a count below 1, a trace of other models, or a score that is NaN.
 * @see Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), recipe 1.
 */
export async function greedySoup(options: GreedySoupOptions): Promise<GreedySoup> {
  const { count, load, score, acceptEqual = false, signal, kernels = currentKernels() } = options;
  if (!(Number.isInteger(count) && count >= 1))
    throw new InvalidArgumentError('greedySoup', 'count', 'an integer of at least 1', count);
  const scores = [...(options.trace?.scores ?? [])];
  const steps = [...(options.trace?.steps ?? [])];
  const checked = async (weights: Float32Array, what: string): Promise<number> => {
    signal?.throwIfAborted();
    const value = await score(weights);
    if (Number.isNaN(value))
      throw new InvalidArgumentError('greedySoup', `the score of ${what}`, 'a number', value);
    return value;
  };
  const report = async (): Promise<void> => options.onStep?.({ scores: [...scores], steps: [...steps] });

  for (let k = scores.length; k < count; k++) {
    scores.push(await checked(await load(k), `model ${k}`));
    await report();
  }
  const order = scores.map((_, k) => k).sort((a, b) => scores[b] - scores[a] || a - b);
  if (scores.length !== count || steps.some(({ model }, i) => model !== order[i + 1]))
    throw new InvalidArgumentError(
      'greedySoup',
      'trace',
      'the trace of a run over the same models',
      'another',
    );

  const ingredients = [order[0], ...steps.filter((step) => step.accepted).map((step) => step.model)];
  let best = steps.reduce((value, step) => (step.accepted ? step.score : value), scores[order[0]]);
  let soup = await meanOf(ingredients, load, kernels);
  for (const model of order.slice(1 + steps.length)) {
    const k = ingredients.length;
    const candidate = new Float32Array(soup.length);
    kernels.weightedSumF32(candidate, [soup, await load(model)], Float64Array.of(k / (k + 1), 1 / (k + 1)));
    const value = await checked(candidate, `the soup with model ${model}`);
    const accepted = value > best || (acceptEqual && value === best);
    if (accepted) {
      soup = candidate;
      best = value;
      ingredients.push(model);
    }
    steps.push({ model, score: value, accepted });
    await report();
  }
  const weights = await meanOf(ingredients, load, kernels);
  return { weights, ingredients, score: best, trace: { scores, steps } };
}

/** Mean of models loaded one after the other, summed in float64. */
async function meanOf(
  ingredients: readonly number[],
  load: GreedySoupOptions['load'],
  kernels: Kernels,
): Promise<Float32Array> {
  let sum = new Float64Array(0);
  for (const [position, k] of ingredients.entries()) {
    const weights = await load(k);
    if (position === 0) sum = new Float64Array(weights.length);
    kernels.accumulateF64(sum, weights, 1);
  }
  const mean = new Float32Array(sum.length);
  kernels.meanF32(mean, sum, ingredients.length);
  return mean;
}
