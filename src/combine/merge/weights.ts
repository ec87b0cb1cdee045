import { MergeMethodError } from './errors.js';
import type { TensorContext } from './method.js';

/**
 * Sum of weights to divide by. A sum that cancels (below 1e-12 of the absolute weights) is an error; in strict mode it is returned,
 * and the division gives infinities and NaN.
 */
export function weightSum(method: string, context: TensorContext, weights: readonly number[]): number {
  let sum = 0;
  let absolute = 0;
  for (const weight of weights) {
    sum += weight;
    absolute += Math.abs(weight);
  }
  if (!context.strict && !(Math.abs(sum) >= 1e-12 * absolute && absolute > 0))
    throw new MergeMethodError(
      'ERR_ZERO_WEIGHT_SUM',
      method,
      context.tensor,
      `the weights ${weights.join(', ')} sum to zero`,
      'give weights whose sum is not zero, or set normalize: false',
    );
  return sum;
}
