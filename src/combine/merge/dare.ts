import { maskAddress } from './mask-address.js';
import type { MergeMethod } from './method.js';
import { perModelOf } from './parameters.js';
import { bernoulli } from './sparsifiers.js';
import { planTaskVectors, taskVectorParameters } from './task-vectors.js';

/**
 * Drop and rescale: each entry of a task vector is kept with probability `density`, and what is left is scaled to the L1 norm of the
 * whole; the paper divides by the density, as `rescale_norm: expectation` does: the same in expectation. Masks depend on seed, tensor, model and element alone.
 */
function dare(name: string, elect: boolean): MergeMethod {
  const method: MergeMethod = {
    name,
    reference:
      'Yu et al. 2024, "Language Models are Super Mario" (arXiv 2311.03099); rescaled to the L1 norm',
    parameters: taskVectorParameters({ normalize: false, rescale: true }),
    base: 'required',
    models: { min: 0 },
    plan(context) {
      const densities = perModelOf(method, context, 'density');
      return planTaskVectors(method, context, {
        elect,
        sparsifier: (k) =>
          densities[k] >= 1
            ? undefined
            : bernoulli(context.kernels, Math.max(0, densities[k]), maskAddress(context, k)),
      });
    },
  };
  return method;
}

export const dareLinear = dare('dare_linear', false);
export const dareTies = dare('dare_ties', true);
