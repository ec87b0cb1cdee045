import type { MergeMethod } from './method.js';
import { globalOf, optional, perModelOf, required } from './parameters.js';
import { weightedSumOf } from './weighted-sum.js';
import { weightSum } from './weights.js';

/** Weighted average: r = sum w_i x_i, divided by sum w_i with `normalize`. */
export const linear: MergeMethod = {
  name: 'linear',
  reference:
    'Wortsman et al. 2022, "Model soups" (arXiv 2203.05482); McMahan et al. 2017 with example counts as weights',
  parameters: [required('weight', 'model'), optional('normalize', 'global', true)],
  base: 'model',
  models: { min: 1 },
  plan(context) {
    const given = perModelOf(linear, context, 'weight');
    const normalize = globalOf(linear, context, 'normalize') !== 0;
    const sum = normalize ? weightSum('linear', context, given) : 1;
    const weights = Float64Array.from(given, (weight) => weight / sum);
    const all = context.models.map((_, k) => k);
    return { passes: [], ...weightedSumOf(context.kernels, all, weights) };
  },
};

/** The plain mean of all inputs: `linear` with equal weights. */
export const uniformSoup: MergeMethod = {
  name: 'uniform_soup',
  reference: 'Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), uniform soup',
  parameters: [],
  base: 'none',
  models: { min: 1 },
  plan: (context) =>
    linear.plan({
      ...context,
      perModel: { weight: context.models.map(() => 1) },
      global: { normalize: 1 },
    }),
};
