/** Models in memory, of three kinds, seen as tensors by name. */
import { HeddleError, InvalidArgumentError, ShapeMismatchError } from '../../errors.js';
import { isFloatDtype, isTensorDtype } from '../../tensor/safetensors/dtype.js';
import type { FlatModel, FlatTensor } from '../../tensor/safetensors/flat-model.js';

/** A tensor with its shape (row-major). */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A model as one flat vector (which counts as one tensor), as tensors by name, or as `readModel` gives it. */
export type InMemoryModel = Float32Array | ReadonlyMap<string, NamedTensor> | FlatModel;

/** Tensors of a model of any kind; of a flat vector one that is called `model`. */
export type Tensors = ReadonlyMap<string, NamedTensor | FlatTensor>;

const FLAT = 'model';

/** Models that have to have the same tensors do not. Code `ERR_MERGE_MISSING_TENSOR` or `ERR_MERGE_UNSUPPORTED_DTYPE`, as for recipes. */
export class ModelMismatchError extends HeddleError {
  constructor(
    code: 'ERR_MERGE_MISSING_TENSOR' | 'ERR_MERGE_UNSUPPORTED_DTYPE',
    message: string,
    hint: string,
    readonly tensor: string,
    /** Which of the models given, as `model 1` (counted from 0) or `base`. */
    readonly model: string,
  ) {
    super(code, message, hint);
  }
}

export function tensorsOf(model: InMemoryModel): Tensors {
  if (model instanceof Float32Array) return new Map([[FLAT, { shape: [model.length], values: model }]]);
  return 'tensors' in model ? model.tensors : model;
}

/** A model of the kind of `like` with other tensors. A `FlatModel` keeps its configuration, and takes `metadata`. */
export function modelOf<M extends InMemoryModel>(
  like: M,
  tensors: ReadonlyMap<string, NamedTensor | FlatTensor>,
  metadata?: Readonly<Record<string, string>>,
): M {
  if (like instanceof Float32Array) return (tensors.get(FLAT)?.values ?? new Float32Array(0)) as M;
  if (!('tensors' in like)) return tensors as InMemoryModel as M;
  return { tensors, ...(metadata && { metadata }), ...(like.config && { config: like.config }) } as M;
}

/**
 * The tensors of several models, after a check that they have the same names and shapes.
 *
 * @param names - what messages call the models.
 * @throws {InvalidArgumentError} for models of different kinds, {@link ModelMismatchError} for a tensor that one lacks,
 *   {ShapeMismatchError} for shapes that differ.
 */
export function alignedTensors(
  where: string,
  models: readonly InMemoryModel[],
  names: readonly string[],
): readonly Tensors[] {
  const kinds = models.map(kindOf);
  const odd = kinds.findIndex((kind) => kind === undefined || kind !== kinds[0]);
  if (odd >= 0)
    throw new InvalidArgumentError(
      where,
      names[odd],
      kinds[0] ?? 'a Float32Array, tensors by name, or what readModel gives',
      models[odd],
      'pass models of one kind: all flat vectors, all maps of tensors, or all from readModel',
    );
  const all = models.map(tensorsOf);
  const [first, ...others] = all;
  others.forEach((tensors, i) => {
    const name = names[i + 1];
    for (const [tensor, { shape }] of first) {
      const other = tensors.get(tensor);
      if (other === undefined) throw missing(where, tensor, name, names[0]);
      if (other.shape.join() !== shape.join())
        throw new ShapeMismatchError(
          kinds[0] === 'a Float32Array' ? `${where}, ${name}` : `${where}, tensor ${tensor} of ${name}`,
          shape,
          other.shape,
          'pass models of one architecture and size',
        );
    }
    for (const tensor of tensors.keys()) if (!first.has(tensor)) throw missing(where, tensor, names[0], name);
  });
  all.forEach((tensors, i) => {
    for (const [tensor, { shape, values, ...rest }] of tensors) {
      const size = shape.reduce((product, n) => product * n, 1);
      if (values.length !== size && !('stored' in rest && rest.stored !== undefined))
        throw new ShapeMismatchError(
          `${where}, tensor ${tensor} of ${names[i]}`,
          shape,
          [values.length],
          'give a tensor as many values as its shape says',
        );
    }
  });
  return all;
}

function kindOf(model: unknown): string | undefined {
  if (model instanceof Float32Array) return 'a Float32Array';
  if (model instanceof Map) return 'a map of tensors';
  const isObject = typeof model === 'object' && model !== null;
  return isObject && 'tensors' in model && model.tensors instanceof Map
    ? 'a model from readModel'
    : undefined;
}

function missing(where: string, tensor: string, model: string, holder: string): ModelMismatchError {
  return new ModelMismatchError(
    'ERR_MERGE_MISSING_TENSOR',
    `${where}: ${model} has no tensor ${tensor}, which ${holder} has`,
    'pass models of one architecture, or take this tensor out of the others',
    tensor,
    model,
  );
}

/** Whether a tensor holds floats that can be computed with; integers, masks and packed types are carried over. */
export function isMergeable(tensor: NamedTensor | FlatTensor): boolean {
  return !('dtype' in tensor) || (isFloatDtype(tensor.dtype) && isTensorDtype(tensor.dtype));
}

/**
 * A tensor of integers or of a packed type as all models have it.
 *
 * @throws {@link ModelMismatchError} where they do not hold the same: such values cannot be averaged.
 */
export function carriedOver(
  where: string,
  name: string,
  tensors: readonly (NamedTensor | FlatTensor)[],
  models: readonly string[],
): FlatTensor {
  const [first, ...others] = tensors as readonly FlatTensor[];
  const odd = others.findIndex(
    (other) => other.dtype !== first.dtype || !same(bytesOrValues(first), bytesOrValues(other)),
  );
  if (odd >= 0)
    throw new ModelMismatchError(
      'ERR_MERGE_UNSUPPORTED_DTYPE',
      `${where}: tensor ${name} of type ${first.dtype} is another in ${models[odd + 1]} than in ${models[0]}, and such values cannot be averaged`,
      'take this tensor out of the models, or make it the same in all',
      name,
      models[odd + 1],
    );
  return first;
}

const bytesOrValues = ({ stored, values }: FlatTensor): Uint8Array | Float32Array => stored ?? values;

function same(a: Uint8Array | Float32Array, b: Uint8Array | Float32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
