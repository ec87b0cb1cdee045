/** Greedy soup: a mean of models that takes in the next best one whenever that raises a held-out score. */
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

export interface SoupSelectionOptions {
  /** Number of models. */
  count: number;
  /** Score of the mean of these models on held-out data, higher is better; of one model, of itself. The last is the one on trial. */
  score(ingredients: readonly number[]): number | Promise<number>;
  /** Take in a model that leaves the score as it is. Default: false, as the released code of the paper. */
  acceptEqual?: boolean;
  /** Where an earlier run got to. */
  trace?: SoupTrace;
  /** Called after every score with the trace so far: store it to be able to go on. */
  onStep?(trace: SoupTrace): void | Promise<void>;
  signal?: AbortSignal;
}

export interface SoupSelection {
  /** Models in the soup, in order of their acceptance. */
  readonly ingredients: readonly number[];
  readonly score: number;
  readonly trace: SoupTrace;
}

/**
 * Decides which models go into the soup; whoever calls makes and scores the means. Models are tried best first (equal scores: lower
 * index first). Costs `count` scores of models and `count - 1` of candidates.
 *
 * @throws {InvalidArgumentError} for a count below 1, a trace of other models, or a score that is NaN.
 * @see Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), recipe 1.
 */
export async function selectSoup(options: SoupSelectionOptions): Promise<SoupSelection> {
  const { count, score, acceptEqual = false, signal } = options;
  const where = 'greedySoup';
  if (!(Number.isInteger(count) && count >= 1))
    throw new InvalidArgumentError(where, 'count', 'an integer of at least 1', count);
  const scores = [...(options.trace?.scores ?? [])];
  const steps = [...(options.trace?.steps ?? [])];
  const checked = async (ingredients: readonly number[]): Promise<number> => {
    signal?.throwIfAborted();
    const value = await score(ingredients);
    if (Number.isNaN(value))
      throw new InvalidArgumentError(where, `the score of models ${ingredients}`, 'a number', value);
    return value;
  };
  const report = async (): Promise<void> => options.onStep?.({ scores: [...scores], steps: [...steps] });

  for (let k = scores.length; k < count; k++) {
    scores.push(await checked([k]));
    await report();
  }
  const order = scores.map((_, k) => k).sort((a, b) => scores[b] - scores[a] || a - b);
  if (scores.length !== count || steps.some(({ model }, i) => model !== order[i + 1]))
    throw new InvalidArgumentError(where, 'trace', 'the trace of a run over the same models', 'another');

  const ingredients = [order[0], ...steps.filter((step) => step.accepted).map((step) => step.model)];
  let best = steps.reduce((value, step) => (step.accepted ? step.score : value), scores[order[0]]);
  for (const model of order.slice(1 + steps.length)) {
    const value = await checked([...ingredients, model]);
    const accepted = value > best || (acceptEqual && value === best);
    if (accepted) {
      best = value;
      ingredients.push(model);
    }
    steps.push({ model, score: value, accepted });
    await report();
  }
  return { ingredients, score: best, trace: { scores, steps } };
}

export interface GreedySoupOptions extends Omit<SoupSelectionOptions, 'score'> {
  /** Weights of model k as one flat vector; it is read before the next call. */
  load(k: number): Float32Array | Promise<Float32Array>;
  /** Score on held-out data, higher is better. The vector is only valid during the call. */
  score(weights: Float32Array): number | Promise<number>;
  kernels?: Kernels;
}

export interface GreedySoup extends SoupSelection {
  readonly weights: Float32Array;
}

/**
 * The greedy soup of flat vectors. A candidate is soup * k / (k + 1) + x / (k + 1); the result is the mean of the ingredients, computed
 * anew.
 *
 * @throws {InvalidArgumentError} as `selectSoup`.
 */
export async function greedySoup(options: GreedySoupOptions): Promise<GreedySoup> {
  const { load, score, kernels = currentKernels() } = options;
  let soup: { of: string; weights: Float32Array } = { of: '', weights: new Float32Array(0) };
  let candidate = soup;
  const selection = await selectSoup({
    ...options,
    async score(ingredients) {
      const k = ingredients.length - 1;
      if (k === 0) return score(await load(ingredients[0]));
      const before = ingredients.slice(0, -1);
      if (String(before) === candidate.of) soup = candidate;
      else if (String(before) !== soup.of)
        soup = { of: String(before), weights: await meanOf(before, load, kernels) };
      const weights = new Float32Array(soup.weights.length);
      const parts = [soup.weights, await load(ingredients[k])];
      kernels.weightedSumF32(weights, parts, Float64Array.of(k / (k + 1), 1 / (k + 1)));
      candidate = { of: String(ingredients), weights };
      return score(weights);
    },
  });
  return { ...selection, weights: await meanOf(selection.ingredients, load, kernels) };
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
