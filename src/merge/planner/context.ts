import type { TensorContext } from '../../combine/merge/method.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { MergePlan, OutputTensor } from '../plan.js';
import { trimmedPools } from './trim-pools.js';

/** What a method is told of a planned tensor, but for the kernels. */
export function tensorFacts(plan: MergePlan, output: OutputTensor): Omit<TensorContext, 'kernels'> {
  const { name, shape, inputs, base, perModel, global } = output;
  return {
    tensor: name,
    shape,
    size: shape.reduce((product, size) => product * size, 1),
    models: inputs.map(({ model }) => plan.models[model].reference),
    base,
    perModel,
    global,
    seed: plan.seed,
    strict: plan.strict,
  };
}

export function tensorContext(plan: MergePlan, output: OutputTensor, kernels: Kernels): TensorContext {
  return { kernels, ...tensorFacts(plan, output) };
}

/**
 * Lets every method look at its parameters, so that a run does not stop half-way.
 *
 * @throws {MergeMethodError} the first that a method raises: weights that cancel, densities that keep nothing, ranges.
 */
export function checkMethods(plan: MergePlan, kernels: Kernels): void {
  for (const output of plan.outputs) output.method?.plan(tensorContext(plan, output, kernels));
  trimmedPools(plan);
}
