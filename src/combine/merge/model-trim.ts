/** `trim_scope: model` of ties: the largest entries of a whole model's task vector are kept, whatever tensors they lie in. */
import { MergeMethodError } from './errors.js';
import { dealTies, MagnitudeCounter, ThresholdSearch } from './magnitude-counter.js';
import type { MergeMethod, TensorContext } from './method.js';
import { globalOf, parameterChoices, perModelOf } from './parameters.js';
import { nonFiniteCheck } from './task-vectors.js';

/** Per-model parameters that whoever merges a whole model sets: bits of the model's threshold, and how many entries equal to it the tensor keeps. */
export const TRIM_BITS = 'trim_bits';
export const TRIM_TIES = 'trim_ties';
/** In place of a threshold: the model is not trimmed. */
export const UNTRIMMED = -1;

/** Whether global parameters say so. */
export const trimsModels = (global: Readonly<Record<string, number>>): boolean =>
  parameterChoices.trim_scope[global.trim_scope ?? 0] === 'model';

/** Order in which tensors get their share of equal magnitudes: by name, whatever the order of files. */
export const byName = <T extends { readonly name: string }>(tensors: readonly T[]): T[] =>
  tensors.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** What is trimmed, for messages. */
export interface TrimmedVector {
  readonly method: string;
  readonly tensor: string;
  readonly model: string;
  /** Tensors that the vector spans, where it is a whole model. */
  readonly tensors?: number;
}

/**
 * How many entries of a task vector are kept.
 *
 * @throws {MergeMethodError} `ERR_EMPTY_DENSITY` if it would be none.
 */
export function keptCount(density: number, size: number, minKeep: number, of: TrimmedVector): number {
  if (density >= 1 || size === 0) return size;
  const count = Math.min(size, Math.max(Math.trunc(density * size), Math.trunc(minKeep)));
  if (count >= 1) return count;
  const { method, tensor, model, tensors } = of;
  const where = tensors === undefined ? '' : ` in ${tensors} tensors`;
  throw new MergeMethodError(
    'ERR_EMPTY_DENSITY',
    method,
    tensor,
    `density ${density} of model ${model} keeps none of ${size} elements${where}`,
    `raise density for this ${tensors === undefined ? 'tensor' : 'model'}, or set min_keep: 1`,
  );
}

interface WholeTensor {
  readonly name: string;
  readonly inputs: readonly Float32Array[];
}

/**
 * The parameters that settle `trim_scope: model` for every tensor of models in memory, by the tensor's name.
 *
 * @param shared - the same for all tensors.
 * @throws {MergeMethodError} `ERR_EMPTY_DENSITY`; {@link NonFiniteInputError} unless strict.
 */
export function modelThresholds(
  method: MergeMethod,
  shared: Omit<TensorContext, 'tensor' | 'shape' | 'size'>,
  tensors: readonly WholeTensor[],
): ReadonlyMap<string, Readonly<Record<string, number[]>>> {
  const { kernels, models, base, strict } = shared;
  const ordered = byName(tensors);
  const settled = new Map(
    ordered.map(({ name }) => [
      name,
      { [TRIM_BITS]: models.map(() => UNTRIMMED), [TRIM_TIES]: models.map(() => 0) },
    ]),
  );
  if (ordered.length === 0) return settled;
  const context = { ...shared, tensor: ordered[0].name, shape: [], size: 0 };
  const densities = perModelOf(method, context, 'density');
  const minKeep = globalOf(method, context, 'min_keep');
  const size = ordered.reduce((sum, { inputs }) => sum + inputs[base].length, 0);
  models.forEach((model, k) => {
    if (k === base) return;
    const of = { method: method.name, tensor: ordered[0].name, model, tensors: ordered.length };
    const count = keptCount(densities[k], size, minKeep, of);
    if (count === size) return;
    const search = new ThresholdSearch(count);
    for (let digit = search.next; digit !== undefined; digit = search.next) {
      const counter = new MagnitudeCounter(kernels, digit);
      for (const { name, inputs } of ordered) {
        counter.count(inputs[k], inputs[base]);
        if (search.isFirst && counter.holdsNonFinite)
          nonFiniteCheck(method, { strict, models, tensor: name }, k)(inputs[k], inputs[base], 0);
      }
      search.tell(counter.totals());
    }
    const ties = ordered.map(({ inputs }) => {
      const counter = new MagnitudeCounter(kernels, search.ofThreshold);
      counter.count(inputs[k], inputs[base]);
      return counter.totals()[0];
    });
    dealTies(search.ties, ties).forEach((own, i) => {
      const parameters = settled.get(ordered[i].name);
      if (parameters === undefined) return;
      parameters[TRIM_BITS][k] = search.bits;
      parameters[TRIM_TIES][k] = own;
    });
  });
  return settled;
}
