/** Merging weighted by diagonal Fisher information. */
import { InvalidArgumentError, ShapeMismatchError } from '../../errors.js';
import { currentKernels } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';

export interface FisherOptions {
  /** Coefficient of each model, >= 0. Default: equal. */
  coefficients?: readonly number[];
  /** Least Fisher information of an element. Default: 1e-6. */
  floor?: number;
  /** Raise the first (target) model alone to the floor, so that it decides where none has information. Default: false. */
  favorTarget?: boolean;
  /** L2 norms of the whole models' Fishers, to divide by; absent: as they are. See {@link fisherNorm}. */
  norms?: readonly number[];
  kernels?: Kernels;
}

/** L2 norm of a whole model's Fisher from its tensors (or one flat vector). */
export function fisherNorm(tensors: Iterable<Float32Array>, kernels: Kernels = currentKernels()): number {
  let sum = 0;
  for (const tensor of tensors) sum += kernels.sumSquaresF32(tensor);
  return Math.sqrt(sum);
}

/**
 * r = sum_i l_i max(F_i, floor) x_i / sum_i l_i max(F_i, floor), element by element; the plain mean where the denominator is 0.
 *
 * @param models - K vectors of one length: tensors, chunks of them, or flat models.
 * @param fishers - diagonal Fisher information of each, >= 0 (squared gradients of single examples, averaged).
 * @returns `out`, or a new vector; it may not be one of the inputs.
 * @throws {InvalidArgumentError} for counts that differ or a coefficient below 0, {@link ShapeMismatchError} for lengths that do.
 * @see Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging" (arXiv 2111.09832), eq. 3.
 */
export function fisherMean(
  models: readonly Float32Array[],
  fishers: readonly Float32Array[],
  options: FisherOptions = {},
  out?: Float32Array,
): Float32Array {
  const { floor = 1e-6, favorTarget = false, norms, kernels = currentKernels() } = options;
  const coefficients = options.coefficients ?? models.map(() => 1 / models.length);
  checkInputs(models, fishers, coefficients);
  const size = models[0].length;
  const result = out ?? new Float32Array(size);
  const weights = Float64Array.from(coefficients, (l, k) => (norms ? l / norms[k] : l));
  const target = favorTarget ? fishers[0].map((f) => (f > floor ? f : floor)) : fishers[0];
  const least = favorTarget ? 0 : floor;
  kernels.fisherAverageF32(result, models, [target, ...fishers.slice(1)], weights, least);
  for (let i = 0; i < size; i++)
    if (Number.isNaN(result[i])) {
      const information = fishers.reduce(
        (sum, f, k) => sum + weights[k] * Math.max(k === 0 ? target[i] : f[i], least),
        0,
      );
      if (information === 0) result[i] = models.reduce((sum, x) => sum + x[i], 0) / models.length;
    }
  return result;
}

function checkInputs(
  models: readonly Float32Array[],
  fishers: readonly Float32Array[],
  coefficients: readonly number[],
): void {
  const where = 'fisherMean';
  if (models.length === 0) throw new InvalidArgumentError(where, 'models', 'at least one vector', models);
  if (fishers.length !== models.length)
    throw new InvalidArgumentError(where, 'fishers', `${models.length} vectors, one a model`, fishers);
  if (coefficients.length !== models.length || !coefficients.every((l) => l >= 0 && Number.isFinite(l)))
    throw new InvalidArgumentError(
      where,
      'coefficients',
      `${models.length} numbers of at least 0`,
      coefficients,
    );
  for (const vector of [...models, ...fishers])
    if (vector.length !== models[0].length)
      throw new ShapeMismatchError(
        where,
        [models[0].length],
        [vector.length],
        'pass models and Fishers of one architecture',
      );
}
