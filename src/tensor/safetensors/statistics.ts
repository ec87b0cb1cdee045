/** What the values of a tensor are like. */
import { isTensorDtype } from './dtype.js';
import { factorOf, ScaledSum, stepsFor } from './scaled-sum.js';
import { areFinite, chunks, type MeasuredTensor, type PassOptions, type Values } from './value-chunks.js';

export interface TensorStatistics {
  /** L2 norm of the finite values; infinite only where the norm itself is beyond float64. */
  readonly norm: number;
  /** Of the finite values; NaN if there are none. */
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
}

/** Statistics of a tensor in float64, 64-bit integers beyond 2^53 rounded to it; undefined for a type whose values cannot be read. */
export async function tensorStatistics(
  tensor: MeasuredTensor,
  options: PassOptions,
): Promise<TensorStatistics | undefined> {
  const [, info] = tensor;
  if (!isTensorDtype(info.dtype)) {
    options.onBytes?.(info.bytes);
    return undefined;
  }
  const squares = new ScaledSum();
  const sum = new ScaledSum();
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let zeros = 0;
  let nans = 0;
  let infinities = 0;
  const { kernels } = options;
  for await (const { values } of chunks([tensor], options)) {
    const [x] = values;
    let chunk: Moments;
    if (areFinite(kernels, x)) {
      chunk = finiteMoments(x);
      squares.add(kernels.sumSquaresF32(x));
      sum.add(chunk.sum);
    } else {
      const all = anyMoments(x, 1);
      const steps = stepsFor(Math.max(-all.min, all.max));
      const scaled = steps === 0 ? all : anyMoments(x, factorOf(steps));
      squares.add(scaled.squares, 2 * steps);
      sum.add(scaled.sum, steps);
      nans += all.nans;
      infinities += all.infinities;
      chunk = all;
    }
    min = Math.min(min, chunk.min);
    max = Math.max(max, chunk.max);
    zeros += chunk.zeros;
  }
  const finite = info.size - nans - infinities;
  const none = Number.NaN;
  return {
    norm: squares.root(),
    mean: finite > 0 ? sum.over(finite) : none,
    min: finite > 0 ? min : none,
    max: finite > 0 ? max : none,
    zeros,
    nans,
    infinities,
  };
}

interface Moments {
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly zeros: number;
}

/** A function of its own: in a plain loop the engine keeps all four in registers. */
function finiteMoments(x: Float32Array): Moments {
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let zeros = 0;
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    sum += v;
    if (v < min) min = v;
    if (v > max) max = v;
    if (v === 0) zeros++;
  }
  return { sum, min, max, zeros };
}

/** Of the finite values; the sums are of the values times a factor. */
function anyMoments(x: Values, factor: number) {
  let squares = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let zeros = 0;
  let nans = 0;
  let infinities = 0;
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    if (Number.isNaN(v)) nans++;
    else if (!Number.isFinite(v)) infinities++;
    else {
      const scaled = v * factor;
      squares += scaled * scaled;
      sum += scaled;
      if (v < min) min = v;
      if (v > max) max = v;
      if (v === 0) zeros++;
    }
  }
  return { squares, sum, min, max, zeros, nans, infinities };
}
