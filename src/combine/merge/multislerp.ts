import { sinCos } from './angles.js';
import { MergeMethodError } from './errors.js';
import { Gram, gramPass } from './gram.js';
import type { MergeMethod, TensorContext } from './method.js';
import { globalOf, optional, othersOf, perModelOf, pick, required } from './parameters.js';
import { combinationOf } from './weighted-sum.js';
import { weightSum } from './weights.js';

/**
 * Weighted mean on the sphere of several models, or with a base of their task vectors: one step from the normalised mean of the unit
 * vectors along the mean of their projections, with the weighted mean of the norms as length.
 *
 * All vectors lie in the span of the inputs, so that their Gram matrix gives every coefficient.
 */
export const multislerp: MergeMethod = {
  name: 'multislerp',
  reference:
    'Buss and Fillmore 2001, "Spherical averages", one step, with projections for logarithms as mergekit has it',
  parameters: [
    required('weight', 'model'),
    optional('normalize_weights', 'global', true),
    optional('eps', 'global', 1e-8),
  ],
  base: 'optional',
  models: { min: 1 },
  plan(context) {
    const { base, kernels } = context;
    const others = othersOf(context);
    const given = pick(perModelOf(multislerp, context, 'weight'), others);
    if (others.length === 1) return { passes: [], combine: (out, inputs) => out.set(inputs[others[0]]) };
    const normalize = globalOf(multislerp, context, 'normalize_weights') !== 0;
    const sum = normalize ? weightSum('multislerp', context, given) : 1;
    const weights = given.map((weight) => weight / sum);
    const eps = globalOf(multislerp, context, 'eps');
    const gram = new Gram(others.length);
    const coefficients = new Float64Array(others.length);
    const end = (): void => coefficients.set(sphericalMean(context, gram, weights, eps));
    return {
      passes: [gramPass(kernels, context.size, gram, others, base, end)],
      ...combinationOf(kernels, base, others, coefficients),
    };
  },
};

function sphericalMean(
  context: TensorContext,
  gram: Gram,
  weights: readonly number[],
  eps: number,
): number[] {
  const norms = weights.map((_, i) => gram.norm(i));
  const mean = weights.map((weight, i) => weight / (norms[i] + eps));
  const length = gram.normOf(mean);
  if (length < eps) {
    if (weights.length === 2) return [...weights];
    if (!context.strict && norms.every((norm) => norm === 0)) return weights.map(() => 0);
    throw new MergeMethodError(
      'ERR_ANTIPODAL_CANCELLATION',
      'multislerp',
      context.tensor,
      'the weighted directions of the models cancel, so that they have no mean',
      'change the weights, leave out a model, or merge this tensor with linear',
    );
  }
  const unit = mean.map((c) => c / length);
  const along = gram.dot(mean, unit);
  const rest = mean.map((c, i) => c - along * unit[i]);
  const angle = gram.normOf(rest) + eps;
  const [sine, cosine] = sinCos(angle);
  const scale = weights.reduce((total, weight, i) => total + weight * norms[i], 0);
  return unit.map((c, i) => (cosine * c + (sine / angle) * rest[i]) * scale);
}
