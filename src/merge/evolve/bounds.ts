/**
 * The map by which an unbounded search stays in a box: identity on about 90 % of each interval, quadratic near the ends, then
 * mirrored and periodic, so that it is continuously differentiable (CMA-ES/pycma, transformations.BoxConstraintsLinQuadTransformation).
 */
import { InvalidArgumentError } from '../../errors.js';

export interface Bounds {
  readonly lower: number;
  readonly upper: number;
}

/**
 * @param genotype - any finite number.
 * @returns a number in [lower, upper].
 * @throws {InvalidArgumentError} unless both ends are finite and lower < upper.
 */
export function intoBounds(genotype: number, { lower, upper }: Bounds): number {
  if (!(Number.isFinite(lower) && Number.isFinite(upper) && lower < upper))
    throw new InvalidArgumentError('intoBounds', 'bounds', 'two finite numbers, the lower first', [
      lower,
      upper,
    ]);
  const width = upper - lower;
  const atLower = Math.min(width / 2, 0.05 * Math.max(Math.abs(lower), 1));
  const atUpper = Math.min(width / 2, 0.05 * Math.max(Math.abs(upper), 1));
  const start = lower - 2 * atLower - width / 2;
  const period = 2 * (width + atLower + atUpper);
  let g = genotype;
  if (g < start || g >= start + period) g -= period * Math.floor((g - start) / period);
  if (g > upper + atUpper) g = 2 * (upper + atUpper) - g;
  if (g < lower - atLower) g = 2 * (lower - atLower) - g;
  const fromLower = g - (lower - atLower);
  const fromUpper = g - (upper + atUpper);
  let x = g;
  if (g < lower + atLower) x = lower + (fromLower * fromLower) / (4 * atLower);
  else if (g > upper - atUpper) x = upper - (fromUpper * fromUpper) / (4 * atUpper);
  // The last rounding may step over an end.
  return Math.min(upper, Math.max(lower, x));
}
