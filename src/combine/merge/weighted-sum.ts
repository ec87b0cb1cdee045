/** Weighted sums of the inputs, from values or from 16-bit floats as they are stored. */
import type { Kernels } from '../../kernels/kernels.js';
import type { TensorMerge } from './method.js';
import { pick } from './parameters.js';

type Combine = Pick<TensorMerge, 'combine' | 'combineStored'>;

/** out = sum_k coefficients[k] * inputs[of[k]]; the coefficients are looked at when values come. */
export const weightedSumOf = (
  kernels: Kernels,
  of: readonly number[],
  coefficients: Float64Array,
): Combine => ({
  combine: (out, inputs) => kernels.weightedSumF32(out, pick(inputs, of), coefficients),
  combineStored: (out, sums, { codes, format, reference }) =>
    kernels.weightedSumHalf(out, sums, codes[reference], pick(codes, of), coefficients, format),
});

/** out = b + sum_k coefficients[k] * (inputs[of[k]] - b), b the input `base`. */
export const deltaWeightedSumOf = (
  kernels: Kernels,
  base: number,
  of: readonly number[],
  coefficients: Float64Array,
): Combine => ({
  combine: (out, inputs) => kernels.deltaWeightedSumF32(out, inputs[base], pick(inputs, of), coefficients),
  combineStored: (out, sums, { codes, format }) =>
    kernels.deltaWeightedSumHalf(out, sums, codes[base], pick(codes, of), coefficients, format),
});

/** `deltaWeightedSumOf` where there is a base (not -1), else `weightedSumOf`. */
export const combinationOf = (
  kernels: Kernels,
  base: number,
  of: readonly number[],
  coefficients: Float64Array,
): Combine =>
  base >= 0 ? deltaWeightedSumOf(kernels, base, of, coefficients) : weightedSumOf(kernels, of, coefficients);
