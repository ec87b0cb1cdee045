import type { MergeMethod } from './method.js';
import { optional, perModelOf } from './parameters.js';
import { magnitudeBand, nothingKept } from './sparsifiers.js';
import { nonFiniteCheck, planTaskVectors, taskVectorParameters } from './task-vectors.js';

/** How many of n entries are kept, and how many of the largest are dropped before them. */
export function breadcrumbsCounts(
  n: number,
  density: number,
  gamma: number,
): { kept: number; dropped: number } {
  const kept = Math.max(0, Math.trunc(density * n));
  return { kept, dropped: Math.max(0, Math.min(Math.trunc(gamma * n), n - kept)) };
}

/**
 * Drops the int(gamma * n) largest entries of a task vector as outliers and the smallest ones, so that int(density * n) are left.
 *
 * Where no outlier is dropped (gamma * n below 1) the largest are kept; in strict mode the whole task vector is zero then, as the
 * reference tool has it.
 */
function breadcrumbsMethod(name: string, elect: boolean): MergeMethod {
  const method: MergeMethod = {
    name,
    reference: 'Davari and Belilovsky 2024, "Model Breadcrumbs" (arXiv 2312.06795)',
    parameters: [
      ...taskVectorParameters({ normalize: false, rescale: false }),
      optional('gamma', 'model', 0.01),
    ],
    base: 'required',
    models: { min: 0 },
    plan(context) {
      const densities = perModelOf(method, context, 'density');
      const gammas = perModelOf(method, context, 'gamma');
      return planTaskVectors(method, context, {
        elect,
        sparsifier(k) {
          if (densities[k] >= 1) return undefined;
          const { kept, dropped } = breadcrumbsCounts(context.size, densities[k], gammas[k]);
          if (kept === 0 || (context.strict && dropped === 0)) return nothingKept;
          return magnitudeBand(context.kernels, kept, dropped, nonFiniteCheck(method, context, k));
        },
      });
    },
  };
  return method;
}

export const breadcrumbs = breadcrumbsMethod('breadcrumbs', false);
export const breadcrumbsTies = breadcrumbsMethod('breadcrumbs_ties', true);
