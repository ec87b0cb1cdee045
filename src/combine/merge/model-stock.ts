import { slices } from './blocks.js';
import { MergeMethodError } from './errors.js';
import { Gram, gramPass } from './gram.js';
import type { MergeMethod, TensorContext, TensorMerge } from './method.js';
import { globalOf, optional, othersOf, pick } from './parameters.js';
import { deltaWeightedSumOf } from './weighted-sum.js';

/**
 * Mean cosine of all pairs of task vectors.
 *
 * A pair with a vector that is zero (relative to the base below 1e-12) counts as orthogonal; in strict mode norm products below
 * 1e-6 are raised to that, which pulls small tensors to the base.
 */
function meanCosine(gram: Gram, strict: boolean): number {
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < gram.size; i++)
    for (let j = i + 1; j < gram.size; j++) {
      const product = gram.norm(i) * gram.norm(j);
      const none = Math.min(gram.norm(i), gram.norm(j)) <= 1e-12 * gram.baseNorm || product === 0;
      const cosine = strict ? gram.at(i, j) / Math.max(product, 1e-6) : none ? 0 : gram.at(i, j) / product;
      sum += Math.max(-1, Math.min(1, cosine));
      pairs++;
    }
  return sum / pairs;
}

/** t = N c / (1 + (N - 1) c), in [0, 1] unless strict. Task vectors that cancel have no ratio: an error, or the base where that is asked for. */
function stockRatio(context: TensorContext, models: number, cosine: number): number {
  const divisor = 1 + (models - 1) * cosine;
  if (context.strict) return (models * cosine) / divisor;
  if (Math.abs(divisor) < 1e-6 && context.onSingular === 'base') return 0;
  if (Math.abs(divisor) < 1e-6)
    throw new MergeMethodError(
      'ERR_SINGULAR_INTERPOLATION',
      'model_stock',
      context.tensor,
      `the task vectors cancel (mean cosine ${cosine}), so that the interpolation has no finite ratio`,
      'leave out one of the models, or merge this tensor with another method',
    );
  return Math.max(0, Math.min(1, (models * cosine) / divisor));
}

/**
 * r = t mean(w_i) + (1 - t) w_0 with t from the mean angle of the task vectors: the point of their plane nearest to the centre of
 * the shell in which fine-tuned weights lie. One ratio a tensor, or one a row along the last axis with `filter_wise`.
 */
export const modelStock: MergeMethod = {
  name: 'model_stock',
  reference:
    'Jang et al. 2024, "Model Stock" (arXiv 2403.19522), eq. 4; mean of pairwise cosines for more than two models',
  parameters: [optional('filter_wise', 'global', false)],
  base: 'required',
  models: { min: 2 },
  plan(context) {
    const { base, size } = context;
    const others = othersOf(context);
    if (others.length === 0) return { passes: [], combine: (out, inputs) => out.set(inputs[base]) };
    if (others.length < 2)
      throw new MergeMethodError(
        'ERR_TOO_FEW_MODELS',
        'model_stock',
        context.tensor,
        'there is one fine-tuned model',
        'list at least two models beside the base',
      );
    const row = context.shape.at(-1) ?? 1;
    return globalOf(modelStock, context, 'filter_wise') !== 0 && row < size
      ? planRows(context, others, row)
      : planTensor(context, others);
  },
};

function planTensor(context: TensorContext, others: readonly number[]): TensorMerge {
  const { base, kernels, size } = context;
  const gram = new Gram(others.length);
  const weights = new Float64Array(others.length);
  let cosine = 0;
  let ratio = 0;
  const end = (): void => {
    cosine = meanCosine(gram, context.strict);
    ratio = stockRatio(context, others.length, cosine);
    weights.fill(ratio / others.length);
  };
  return {
    passes: [gramPass(kernels, size, gram, others, base, end)],
    ...deltaWeightedSumOf(kernels, base, others, weights),
    statistics: () => ({ t: ratio, cosine }),
  };
}

function planRows(context: TensorContext, others: readonly number[], row: number): TensorMerge {
  const { base, kernels, strict } = context;
  const gram = new Gram(others.length);
  const weights = new Float64Array(others.length);
  const sums = { rows: 0, ratio: 0, cosine: 0 };
  return {
    alignment: row,
    passes: [],
    combine(out, inputs) {
      for (let begin = 0; begin < out.length; begin += row) {
        const parts = slices(inputs, begin, begin + row);
        const from = parts[base];
        const vectors = pick(parts, others);
        gram.clear();
        gram.add(kernels, vectors, from);
        const cosine = meanCosine(gram, strict);
        const ratio = stockRatio(context, others.length, cosine);
        weights.fill(ratio / others.length);
        kernels.deltaWeightedSumF32(out.subarray(begin, begin + row), from, vectors, weights);
        sums.rows++;
        sums.ratio += ratio;
        sums.cosine += cosine;
      }
    },
    // Means over the rows.
    statistics: () => ({ t: sums.ratio / sums.rows, cosine: sums.cosine / sums.rows }),
  };
}
