import { MergeMethodError } from './errors.js';
import type { MergeMethod } from './method.js';
import { globalOf, optional, perModelOf } from './parameters.js';
import { magnitudeBand } from './sparsifiers.js';
import { nonFiniteCheck, planTaskVectors, taskVectorParameters } from './task-vectors.js';

/**
 * Trim, elect sign, disjoint mean: the int(density * n) largest entries of each task vector, and of those the ones that agree with the
 * sign of their weighted sum.
 *
 * Differs from the paper: trims per tensor, not per model. Equal magnitudes are kept by lower index first. `min_keep` (default 0) keeps at
 * least so many; where none would be kept it is an error.
 */
export const ties: MergeMethod = {
  name: 'ties',
  reference: 'Yadav et al. 2023, "TIES-Merging" (arXiv 2306.01708), algorithm 1',
  parameters: [
    ...taskVectorParameters({ normalize: true, rescale: false }),
    { ...optional('min_keep', 'global', 0, { min: 0 }), extension: true },
  ],
  base: 'required',
  models: { min: 0 },
  plan(context) {
    const densities = perModelOf(ties, context, 'density');
    const minKeep = globalOf(ties, context, 'min_keep');
    return planTaskVectors(ties, context, {
      elect: true,
      sparsifier(k) {
        if (densities[k] >= 1 || context.size === 0) return undefined;
        const count = Math.min(context.size, Math.max(Math.trunc(densities[k] * context.size), minKeep));
        if (count < 1)
          throw new MergeMethodError(
            'ERR_EMPTY_DENSITY',
            'ties',
            context.tensor,
            `density ${densities[k]} of model ${context.models[k]} keeps none of ${context.size} elements`,
            'raise density for this tensor, or set min_keep: 1',
          );
        if (count === context.size) return undefined;
        return magnitudeBand(context.kernels, count, 0, nonFiniteCheck(ties, context, k));
      },
    });
  },
};
