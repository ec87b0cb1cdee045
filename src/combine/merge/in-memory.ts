/** Merging models that are in memory: flat vectors, tensors by name, or what `readModel` gives. */
import { nearest, toCamel } from '../../config/names.js';
import { InvalidArgumentError } from '../../errors.js';
import { currentKernels } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec, roundTo } from '../../tensor/safetensors/codecs.js';
import { overflowLimit, type StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { FlatTensor } from '../../tensor/safetensors/flat-model.js';
import { MergeMethodError } from './errors.js';
import { type MergeMethod, mergeInMemory, type ParameterSpec, type TensorContext } from './method.js';
import type { CommonOptions, MergeMethodName, MethodOptions } from './method-options.js';
import { modelThresholds, trimsModels } from './model-trim.js';
import {
  alignedTensors,
  carriedOver,
  type InMemoryModel,
  isMergeable,
  modelOf,
  type NamedTensor,
} from './models.js';
import { findMergeMethod, mergeMethods } from './registry.js';
import { mathDtype, resultDtype } from './result-dtype.js';

type Input = NamedTensor | FlatTensor;

interface RawOptions extends CommonOptions {
  readonly method: string;
  readonly base?: InMemoryModel;
  readonly [parameter: string]: unknown;
}

/**
 * Merges models with any method, tensor by tensor.
 *
 * Values are computed from float32 and, where a model has types (`readModel`), rounded once when it is written, in the base's type for
 * task vectors and slerp, and else in the smallest that holds all. For task vectors a model of another type than such a base of 16 bits is rounded to it first. The
 * bytes are those of `mergeRecipe`, but for quantized models beside such a base: recipes round nothing where a model has scales.
 *
 * @param models - those to merge, all of one kind and with the same tensors; the base goes into `options`.
 * @param options - `method` as in recipes, its parameters in camel (or snake) case, and what {@link CommonOptions} has.
 * @returns a model of the same kind in new memory; integers and packed types, which have to be equal in all, are carried over.
 * @throws {InvalidArgumentError} for an unknown method or option, a missing base, or a wrong number of models or values.
 * @throws {ShapeMismatchError}, {@link ModelMismatchError} for models that do not fit together.
 * @throws {@link MergeMethodError} where the method has no result, or one that is not finite.
 * @example
 * const merged = mergeModels([a, b], { method: 'ties', base, weight: [0.6, 0.4], density: 0.2 });
 */
export function mergeModels<M extends InMemoryModel, N extends MergeMethodName>(
  models: readonly M[],
  options: { method: N } & MethodOptions[N],
): M {
  const raw = options as unknown as RawOptions;
  const method = findMergeMethod(raw.method);
  if (!method) {
    const names = mergeMethods.map(({ name }) => name);
    const near = nearest(String(raw.method), names);
    throw new InvalidArgumentError(
      'mergeModels',
      'method',
      `one of ${names.join(', ')}`,
      raw.method,
      near && `did you mean "${near}"?`,
    );
  }
  return mergeWith(method, models, raw);
}

function mergeWith<M extends InMemoryModel>(
  method: MergeMethod,
  models: readonly M[],
  options: RawOptions,
): M {
  const where = `mergeModels (${method.name})`;
  const { base, seed = 0, strict = false, onTensor, kernels = currentKernels() } = options;
  checkModels(where, method, models, base);
  const parameters = readParameters(where, method, options, models.length);
  const inputs = base === undefined ? [...models] : [...models, base];
  const labels = inputs.map((_, k) => (k === models.length ? 'base' : String(k)));
  const names = labels.map((label) => (label === 'base' ? label : `model ${label}`));
  const aligned = alignedTensors(where, inputs, names);
  const baseIndex = base === undefined ? -1 : models.length;
  const merged = new Map<string, Input>();
  // What is like the base comes first in the order of its tensors and in what is carried over.
  const [pattern] = baseIndex < 0 ? aligned : [aligned[baseIndex]];
  const inputsOf = (tensor: string) => aligned.map((tensors) => tensors.get(tensor) as Input);
  const valuesOf = (all: readonly Input[]): Float32Array[] => {
    const dtypes = dtypesOf(all);
    const dtype = dtypes && mathDtype(method.name, dtypes, baseIndex);
    return all.map((each) => loadedAs(kernels, each, dtype));
  };
  const shared = { kernels, models: labels, base: baseIndex, seed, strict, ...parameters };
  const thresholds = trimsModels(parameters.global)
    ? modelThresholds(
        method,
        shared,
        [...pattern.keys()]
          .map((name) => ({ name, all: inputsOf(name) }))
          .filter(({ all }) => all.every(isMergeable))
          .map(({ name, all }) => ({ name, inputs: valuesOf(all) })),
      )
    : undefined;
  for (const [tensor, { shape }] of pattern) {
    const all = inputsOf(tensor);
    if (!all.every(isMergeable)) {
      merged.set(tensor, carriedOver(where, tensor, all, names));
      continue;
    }
    const context: TensorContext = {
      ...shared,
      tensor,
      shape,
      size: all[0].values.length,
      perModel: { ...parameters.perModel, ...thresholds?.get(tensor) },
    };
    const dtypes = dtypesOf(all);
    const dtype = dtypes && resultDtype(method.name, dtypes, baseIndex, { strict });
    const values = mergeInMemory(method, context, valuesOf(all), {
      onStatistics: onTensor && ((statistics) => onTensor(tensor, statistics)),
    });
    if (!strict) checkFinite(kernels, method, tensor, values, overflowLimit(dtype ?? 'F32'));
    merged.set(tensor, { shape, values, ...(dtype && { dtype }) });
  }
  return modelOf(baseIndex < 0 ? models[0] : (base as M), merged);
}

/** Types of tensors; undefined for models without types. */
function dtypesOf(inputs: readonly Input[]): StoredDtype[] | undefined {
  const dtypes = inputs.flatMap((each) => ('dtype' in each ? [each.dtype] : []));
  return dtypes.length === 0 ? undefined : dtypes;
}

/** Values as a recipe takes them: in the type of the mathematics, where it is one of 16 bits and theirs is another. */
function loadedAs(kernels: Kernels, tensor: Input, dtype: StoredDtype | undefined): Float32Array {
  const { values } = tensor;
  if ((dtype !== 'BF16' && dtype !== 'F16') || !('dtype' in tensor) || tensor.dtype === dtype) return values;
  const rounded = values.slice();
  roundTo(createCodec(kernels, dtype), rounded);
  return rounded;
}

function checkFinite(
  kernels: Kernels,
  method: MergeMethod,
  tensor: string,
  values: Float32Array,
  limit: number,
): void {
  if (kernels.allFiniteF32(values) === 1 && kernels.maxAbsF32(values) < limit) return;
  const at = values.findIndex((value) => !(Math.abs(value) < limit));
  throw new MergeMethodError(
    'ERR_NONFINITE_OUTPUT',
    method.name,
    tensor,
    `element ${at} of the result is ${values[at]}, which ${limit < Infinity && Number.isFinite(values[at]) ? 'its type cannot hold' : 'is not finite'}`,
    'repair or leave out a model that is not finite there, or choose smaller weights; strict lets such values pass',
  );
}

function checkModels(
  where: string,
  method: MergeMethod,
  models: readonly InMemoryModel[],
  base: InMemoryModel | undefined,
): void {
  const { min, max = Infinity } = method.models;
  const least = Math.max(1, min);
  if (!Array.isArray(models) || models.length < least || models.length > max)
    throw new InvalidArgumentError(
      where,
      'models',
      max === Infinity
        ? `${least} or more models`
        : least === max
          ? `${least} ${least === 1 ? 'model' : 'models'}`
          : `${least} to ${max} models`,
      Array.isArray(models) ? models.length : models,
    );
  if (method.base === 'required' && base === undefined)
    throw new InvalidArgumentError(where, 'base', 'the common ancestor of the models', base);
  if ((method.base === 'none' || method.base === 'model') && base !== undefined)
    throw new InvalidArgumentError(
      where,
      'base',
      'left out: this method has none',
      base,
      'pass it among the models, or leave it out',
    );
}

const OWN_OPTIONS: readonly string[] = ['method', 'base', 'seed', 'strict', 'onTensor', 'kernels'];

function readParameters(
  where: string,
  method: MergeMethod,
  options: RawOptions,
  models: number,
): Pick<TensorContext, 'perModel' | 'global'> {
  const specs = new Map(method.parameters.map((spec) => [toCamel(spec.name), spec]));
  const known = [...specs.keys(), ...OWN_OPTIONS];
  const given = new Map(Object.entries(options).map(([name, value]) => [toCamel(name), value]));
  for (const name of given.keys()) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new InvalidArgumentError(
      where,
      'an option',
      `one of ${known.join(', ')}`,
      name,
      near && `did you mean "${near}"?`,
    );
  }
  const perModel: Record<string, readonly number[]> = {};
  const global: Record<string, number> = {};
  for (const [name, spec] of specs) {
    const values = valuesOf(where, name, spec, given.get(name), models);
    if (spec.scope === 'global') [global[spec.name]] = values;
    // The base has a place too, whose values no method looks at.
    else perModel[spec.name] = options.base === undefined ? values : [...values, values[0]];
  }
  return { perModel, global };
}

/** Place of a word among the choices of a parameter, NaN where it is none. */
function indexOf(spec: ParameterSpec, word: unknown): number {
  const index = typeof word === 'string' ? (spec.choices?.indexOf(word) ?? -1) : -1;
  return index < 0 ? Number.NaN : index;
}

/** Values of a parameter: one for a global one, else one a model. */
function valuesOf(
  where: string,
  name: string,
  spec: ParameterSpec,
  given: unknown,
  models: number,
): readonly number[] {
  const count = spec.scope === 'global' ? 1 : models;
  const value = given ?? spec.default ?? (spec.name === 'weight' ? 1 : undefined);
  const { min = -Infinity, max = Infinity } = spec;
  const listed: readonly unknown[] = Array.isArray(value) ? value : new Array(count).fill(value);
  const values = listed.map((one) =>
    spec.type === 'choice' && one !== spec.default
      ? indexOf(spec, one)
      : typeof one === 'number' || typeof one === 'boolean'
        ? Number(one)
        : Number.NaN,
  );
  if (values.length !== count || !values.every((v) => Number.isFinite(v) && v >= min && v <= max)) {
    const range = min === -Infinity && max === Infinity ? '' : ` from ${min} to ${max}`;
    const what = spec.choices?.join(', ') ?? (spec.type === 'boolean' ? 'true or false' : 'a number');
    throw new InvalidArgumentError(
      where,
      `parameter ${name}`,
      `${what}${count === 1 ? '' : ` or ${count} of them, one a model,`}${range}`,
      given,
    );
  }
  return values;
}
