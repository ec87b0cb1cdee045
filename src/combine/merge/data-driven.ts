/** Methods that weigh parameters by what was measured on data. In recipes alone: the measurements come from files beside the models. */
import { InvalidArgumentError } from '../../errors.js';
import { fisherMean } from './fisher.js';
import type { MergeMethod, TensorContext } from './method.js';
import { globalOf, optional, perModelOf } from './parameters.js';
import { weightSum } from './weights.js';

/** Per-model parameter that the run sets: what a model's Fisher information is divided by. */
export const FISHER_NORM = 'fisher_norm';

/** Weights of the models; the inputs are the models' tensors, and then as many measurements. */
function coefficients(method: MergeMethod, context: TensorContext): number[] {
  const count = context.perModel.weight?.length ?? context.models.length;
  if (context.models.length !== 2 * count)
    throw new InvalidArgumentError(
      method.name,
      'the inputs',
      `${count} tensors and ${count} measurements`,
      `${context.models.length} inputs`,
      `use it in a recipe, or call ${method.name === 'fisher' ? 'fisherMean' : 'regMean'} for values in memory`,
    );
  const weights = perModelOf(method, context, 'weight').slice(0, count);
  const sum = weightSum(method.name, context, weights);
  return weights.map((weight) => weight / sum);
}

/** Average weighted by diagonal Fisher information, element by element. */
export const fisher: MergeMethod = {
  name: 'fisher',
  reference:
    'Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging" (arXiv 2111.09832), eq. 3',
  parameters: [
    optional('weight', 'model', 1, { min: 0 }),
    optional('fisher_floor', 'global', 1e-6, { min: 0 }),
    optional('favor_target_model', 'global', false),
    optional('normalize_fishers', 'global', false),
  ],
  base: 'none',
  models: { min: 1 },
  plan(context) {
    const weights = coefficients(fisher, context);
    const count = weights.length;
    const options = {
      coefficients: weights,
      floor: globalOf(fisher, context, 'fisher_floor'),
      favorTarget: globalOf(fisher, context, 'favor_target_model') !== 0,
      norms: context.perModel[FISHER_NORM],
      kernels: context.kernels,
    };
    return {
      passes: [],
      combine: (out, inputs) => fisherMean(inputs.slice(0, count), inputs.slice(count), options, out),
    };
  },
};

/**
 * RegMean. A layer is solved as a whole, not in chunks: whoever runs a plan calls `regMean` for it. Tensors without Gram matrices are
 * planned as a weighted mean.
 */
export const regmean: MergeMethod = {
  name: 'regmean',
  reference:
    'Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (arXiv 2212.09849)',
  parameters: [
    optional('weight', 'model', 1, { min: 0 }),
    optional('alpha', 'global', 0.9, { min: 0, max: 1 }),
    optional('conv1d', 'global', false),
  ],
  base: 'none',
  models: { min: 1 },
  plan(context) {
    coefficients(regmean, context);
    return {
      passes: [],
      combine() {
        throw new InvalidArgumentError('regmean', 'the values', 'a whole layer', 'a chunk of it');
      },
    };
  },
};

/** Parameters of a planned RegMean layer. */
export function regMeanSettings(context: TensorContext) {
  return {
    coefficients: coefficients(regmean, context),
    alpha: globalOf(regmean, context, 'alpha'),
    layout: globalOf(regmean, context, 'conv1d') === 0 ? ('out-in' as const) : ('in-out' as const),
  };
}
