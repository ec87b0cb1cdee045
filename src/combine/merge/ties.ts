import { MergeMethodError } from './errors.js';
import type { MergeMethod, TensorContext } from './method.js';
import { keptCount, TRIM_BITS, TRIM_TIES, trimsModels, UNTRIMMED } from './model-trim.js';
import { choice, globalOf, optional, perModelOf } from './parameters.js';
import { aboveThreshold, magnitudeBand, type Sparsifier } from './sparsifiers.js';
import { nonFiniteCheck, planTaskVectors, taskVectorParameters } from './task-vectors.js';

/**
 * Trim, elect sign, disjoint mean: the int(density * n) largest entries of each task vector, and of those the ones that agree with the
 * sign of their weighted sum.
 *
 * `trim_scope` says what n counts: the entries of a tensor (the default, unlike the paper), or those of the model as a whole, as the
 * paper has it. Of equal magnitudes those in the tensor of the lower name, and there of lower index, are kept first. `min_keep` (default
 * 0) keeps at least so many; where none would be kept it is an error.
 */
export const ties: MergeMethod = {
  name: 'ties',
  reference: 'Yadav et al. 2023, "TIES-Merging" (arXiv 2306.01708), algorithm 1',
  parameters: [
    ...taskVectorParameters({ normalize: true, rescale: false }),
    { ...optional('min_keep', 'global', 0, { min: 0 }), extension: true },
    choice('trim_scope'),
  ],
  base: 'required',
  models: { min: 0 },
  plan(context) {
    const densities = perModelOf(ties, context, 'density');
    const minKeep = globalOf(ties, context, 'min_keep');
    const wholeModels = trimsModels(context.global);
    return planTaskVectors(ties, context, {
      elect: true,
      sparsifier(k) {
        const { kernels, tensor, size } = context;
        if (densities[k] >= 1 || size === 0) return undefined;
        if (wholeModels) return ofWholeModel(context, k);
        const of = { method: 'ties', tensor, model: context.models[k] };
        const count = keptCount(densities[k], size, minKeep, of);
        return count === size
          ? undefined
          : magnitudeBand(kernels, count, 0, nonFiniteCheck(ties, context, k));
      },
    });
  },
};

/** By a threshold that was found over all tensors of the model. A plan is made before, to look at parameters; it cannot be run. */
function ofWholeModel({ kernels, tensor, perModel }: TensorContext, k: number): Sparsifier | undefined {
  const bits = perModel[TRIM_BITS]?.[k];
  if (bits === UNTRIMMED) return undefined;
  if (bits !== undefined) return aboveThreshold(kernels, bits, perModel[TRIM_TIES][k]);
  return {
    passes: [],
    alignment: 1,
    apply() {
      throw new MergeMethodError(
        'ERR_TRIM_SCOPE',
        'ties',
        tensor,
        'trim_scope is model, and a tensor by itself does not tell the threshold of its model',
        'merge whole models, with mergeModels or a recipe, or leave trim_scope at tensor',
      );
    },
  };
}
