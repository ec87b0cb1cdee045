/** RegMean: the linear layer that is nearest, in least squares, to every model's layer on that model's own inputs. */
import { InvalidArgumentError, ShapeMismatchError } from '../../errors.js';
import { currentKernels } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';

/** Mean Gram matrix X^T X / n of a layer's inputs, added up over batches in float64. */
export class InputGram {
  private readonly sum: Float64Array;
  private rows = 0;

  /** @param width - input features of the layer. */
  constructor(
    readonly width: number,
    private readonly kernels: Kernels = currentKernels(),
  ) {
    this.sum = new Float64Array(width * width);
  }

  /** Number of inputs seen. */
  get count(): number {
    return this.rows;
  }

  /** @param x - inputs of the layer, one a row of `width` (batch and time flattened). */
  add(x: Float32Array): void {
    const { width, sum, kernels } = this;
    if (x.length % width !== 0)
      throw new ShapeMismatchError('InputGram.add', [width], [x.length], 'pass whole rows of input features');
    kernels.accumulateGramF64(sum, x, width);
    this.rows += x.length / width;
  }

  /** The symmetric mean; zeros before the first input. */
  mean(): Float64Array {
    const { width, sum } = this;
    const mean = new Float64Array(width * width);
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++)
        mean[i * width + j] = sum[Math.min(i, j) * width + Math.max(i, j)] / Math.max(1, this.rows);
    return mean;
  }
}

/** Pivots have to be above it, relative to the largest diagonal element: what rounding leaves of a singular matrix is below. */
const kLeastPivot = 1e-12;

export interface RegMeanLayer {
  /** Weights of each model, row-major. */
  weights: readonly Float32Array[];
  /** Gram matrix of each model's inputs, [in, in] (mean over examples). */
  grams: readonly (Float32Array | Float64Array)[];
  inFeatures: number;
  outFeatures: number;
  /** `out-in` (default) as dense layers store it, or `in-out`. */
  layout?: 'out-in' | 'in-out';
  /** Off-diagonal elements of the Gram matrices are multiplied by it, in [0, 1]. Default: 0.9. */
  alpha?: number;
  /** Coefficient of each model, > 0. Default: equal. */
  coefficients?: readonly number[];
  kernels?: Kernels;
}

export interface RegMeanResult {
  values: Float32Array;
  /** What was added to the diagonal because the sum of Gram matrices was singular; 0 as a rule. */
  ridge: number;
}

/**
 * W^T = (sum_i c_i G_i)^-1 sum_i c_i G_i W_i^T with off-diagonals of G_i shrunk by alpha, in float64 by Cholesky.
 *
 * A matrix that cannot be factored gets 1e-6 of its mean diagonal added, ten times as much until it can be. Cost: in^2 * (in / 3 +
 * 2 out (models + 1)) operations, and three float64 matrices of [in, in] beside one of [in, out] at a time.
 *
 * @throws {InvalidArgumentError} for counts or parameters out of range, or Gram matrices that are zero or not finite.
 * @throws {ShapeMismatchError} for weights or Gram matrices of another size.
 * @see Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (arXiv 2212.09849), eq. 2 and section 3.2.
 */
export function regMean(layer: RegMeanLayer): RegMeanResult {
  const { weights, grams, inFeatures: n, outFeatures: m, layout = 'out-in', alpha = 0.9 } = layer;
  const coefficients = layer.coefficients ?? weights.map(() => 1 / weights.length);
  checkLayer(layer, coefficients, alpha);
  const kernels = layer.kernels ?? currentKernels();
  const total = new Float64Array(n * n);
  const solution = new Float64Array(n * m);
  const turned = new Float32Array(layout === 'out-in' ? n * m : 0);
  const shrunk = new Float64Array(n * n);
  weights.forEach((w, k) => {
    if (layout === 'out-in') kernels.transposeF32(turned, w, m, n);
    shrinkTo(shrunk, total, grams[k], n, coefficients[k], alpha);
    kernels.addProductF64(solution, shrunk, layout === 'out-in' ? turned : w, n, m, n);
  });
  const { factor, ridge } = factorWithRidge(kernels, total, n, shrunk);
  kernels.solveCholeskyF64(solution, factor, n);
  if (layout === 'in-out') return { values: Float32Array.from(solution), ridge };
  turned.set(solution);
  const values = new Float32Array(m * n);
  kernels.transposeF32(values, turned, n, m);
  return { values, ridge };
}

/** shrunk = c * gram with off-diagonals times alpha, and total += shrunk. */
function shrinkTo(
  shrunk: Float64Array,
  total: Float64Array,
  gram: Float32Array | Float64Array,
  n: number,
  coefficient: number,
  alpha: number,
): void {
  shrunk.set(gram);
  const factor = coefficient * alpha;
  for (let i = 0; i < n; i++) {
    const diagonal = i * n + i;
    const kept = coefficient * shrunk[diagonal];
    for (let at = i * n; at < (i + 1) * n; at++) shrunk[at] *= factor;
    shrunk[diagonal] = kept;
    for (let at = diagonal; at < (i + 1) * n; at++) total[at] += shrunk[at];
  }
}

/** Factor of the upper triangle of `total`, in `factor`. */
function factorWithRidge(
  kernels: Kernels,
  total: Float64Array,
  n: number,
  factor: Float64Array,
): { factor: Float64Array; ridge: number } {
  let trace = 0;
  let largest = 0;
  for (let i = 0; i < n; i++) {
    trace += total[i * n + i];
    largest = Math.max(largest, total[i * n + i]);
  }
  if (!(trace > 0 && Number.isFinite(trace)))
    throw new InvalidArgumentError('regMean', 'grams', 'finite matrices with a positive diagonal', trace);
  for (let ridge = 0; ; ridge = ridge === 0 ? (1e-6 * trace) / n : ridge * 10) {
    factor.set(total);
    for (let i = 0; i < n; i++) factor[i * n + i] += ridge;
    if (kernels.factorCholeskyF64(factor, n, kLeastPivot * (largest + ridge)) === n) return { factor, ridge };
    if (!(ridge < trace))
      throw new InvalidArgumentError('regMean', 'grams', 'positive semi-definite matrices', 'others');
  }
}

function checkLayer(layer: RegMeanLayer, coefficients: readonly number[], alpha: number): void {
  const { weights, grams, inFeatures: n, outFeatures: m } = layer;
  const where = 'regMean';
  if (weights.length === 0) throw new InvalidArgumentError(where, 'weights', 'at least one matrix', weights);
  if (grams.length !== weights.length)
    throw new InvalidArgumentError(where, 'grams', `${weights.length} matrices, one a model`, grams);
  if (coefficients.length !== weights.length || !coefficients.every((c) => c > 0 && Number.isFinite(c)))
    throw new InvalidArgumentError(where, 'coefficients', `${weights.length} numbers above 0`, coefficients);
  if (!(alpha >= 0 && alpha <= 1))
    throw new InvalidArgumentError(where, 'alpha', 'a factor from 0 to 1', alpha);
  for (const w of weights)
    if (w.length !== m * n)
      throw new ShapeMismatchError(where, [m, n], [w.length], 'pass weights of outFeatures x inFeatures');
  for (const gram of grams)
    if (gram.length !== n * n)
      throw new ShapeMismatchError(where, [n, n], [gram.length], 'pass Gram matrices of inFeatures squared');
}
