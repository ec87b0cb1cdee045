/** Merging models that are in memory: flat vectors, or tensors by name. */
import { InvalidArgumentError, ShapeMismatchError } from '../../errors.js';
import { currentKernels } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';
import { type MergeMethod, mergeInMemory, type ParameterSpec } from './method.js';
import { findMergeMethod, mergeMethods } from './registry.js';

/** A tensor with its shape (row-major). */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}
/** A model as one flat vector, or as tensors by name. */
export type InMemoryModel = Float32Array | ReadonlyMap<string, NamedTensor>;

/** A parameter: one number for all, or for per-model parameters one a model. */
export type MergeParameter = number | boolean | readonly number[];

export interface InMemoryOptions {
  /** Common ancestor, for methods that work on task vectors. */
  base?: InMemoryModel;
  /** Names as in recipes: `weight`, `density`, `lambda`, `normalize`, `t`, ... */
  parameters?: Readonly<Record<string, MergeParameter>>;
  /** Seed of randomised methods. Default: 0. */
  seed?: number | string | bigint;
  /** Reproduce the reference tool's quirks. Default: false. */
  strict?: boolean;
  kernels?: Kernels;
}

/**
 * Merges models with any method of the registry, tensor by tensor. A flat vector counts as one tensor.
 *
 * @returns a model of the kind of the first, in new memory.
 * @throws {InvalidArgumentError} for an unknown method or parameter, a missing base, or a wrong number of models or values.
 * @throws {ShapeMismatchError} for models of different sizes. @throws {MergeMethodError} where the method has no result.
 * @example
 * const merged = mergeModels('ties', [a, b], { base, parameters: { weight: 1, density: 0.2 } });
 */
export function mergeModels<M extends InMemoryModel>(
  method: string,
  models: readonly M[],
  options: InMemoryOptions = {},
): M {
  const found = findMergeMethod(method);
  if (!found)
    throw new InvalidArgumentError(
      'mergeModels',
      'method',
      `one of ${mergeMethods.map(({ name }) => name).join(', ')}`,
      method,
    );
  const plan = planModels(found, models, options);
  const [first] = plan.inputs;
  if (first instanceof Float32Array) return plan.merge('model', (model) => flatOf(model, first)) as M;
  const merged = new Map<string, NamedTensor>();
  for (const [name, { shape }] of first) {
    const inputs = (model: InMemoryModel): NamedTensor => tensorOf(model, name, shape);
    merged.set(name, { shape, values: plan.merge(name, inputs) });
  }
  return merged as InMemoryModel as M;
}

/** sum w_i x_i, over sum w_i unless `normalize` is false. @param options.weights - one a model; default: equal. */
export const linear = <M extends InMemoryModel>(
  models: readonly M[],
  {
    weights = models.map(() => 1),
    normalize = true,
  }: { weights?: readonly number[]; normalize?: boolean } = {},
): M => mergeModels('linear', models, { parameters: { weight: weights, normalize } });

/** Spherical interpolation, tensor by tensor, from `a` (t = 0) to `b` (t = 1). */
export const slerp = <M extends InMemoryModel>(a: M, b: M, { t }: { t: number }): M =>
  mergeModels('slerp', [b], { base: a, parameters: { t } });

function planModels(method: MergeMethod, models: readonly InMemoryModel[], options: InMemoryOptions) {
  const { base, parameters = {}, seed = 0, strict = false, kernels = currentKernels() } = options;
  const where = `mergeModels (${method.name})`;
  const { min, max = Infinity } = method.models;
  if (models.length < Math.max(1, min) || models.length > max)
    throw new InvalidArgumentError(where, 'models', `${Math.max(1, min)} to ${max} models`, models.length);
  if (method.base === 'required' && !base)
    throw new InvalidArgumentError(where, 'base', 'the common ancestor of the models', base);
  if (method.base === 'none' && base)
    throw new InvalidArgumentError(where, 'base', 'left out: this method has none', base);
  const known = method.parameters.map(({ name }) => name);
  for (const name of Object.keys(parameters))
    if (!known.includes(name))
      throw new InvalidArgumentError(where, `parameter ${name}`, `one of ${known.join(', ')}`, name);
  const inputs = base ? [...models, base] : [...models];
  const perModel: Record<string, readonly number[]> = {};
  const global: Record<string, number> = {};
  for (const spec of method.parameters) {
    const values = valuesOf(where, spec, parameters[spec.name], models.length);
    if (spec.scope === 'global') [global[spec.name]] = values;
    else perModel[spec.name] = base ? [...values, values[0]] : values;
  }
  return {
    inputs,
    merge(tensor: string, of: (model: InMemoryModel) => NamedTensor): Float32Array {
      const tensors = inputs.map(of);
      const { shape, values } = tensors[0];
      const context = {
        kernels,
        tensor,
        shape,
        size: values.length,
        models: inputs.map((_, k) => (base && k === models.length ? 'base' : `model ${k}`)),
        base: base ? models.length : -1,
        perModel,
        global,
        seed,
        strict,
      };
      return mergeInMemory(
        method,
        context,
        tensors.map((each) => each.values),
      );
    },
  };
}

/** Values of a parameter: one for a global one, else one a model. */
function valuesOf(
  where: string,
  spec: ParameterSpec,
  given: MergeParameter | undefined,
  models: number,
): number[] {
  const count = spec.scope === 'global' ? 1 : models;
  const value = given ?? spec.default ?? (spec.name === 'weight' ? 1 : undefined);
  const { min = -Infinity, max = Infinity } = spec;
  const values =
    value === undefined
      ? []
      : typeof value === 'object'
        ? [...value]
        : new Array<number>(count).fill(Number(value));
  if (values.length !== count || !values.every((v) => Number.isFinite(v) && v >= min && v <= max))
    throw new InvalidArgumentError(
      where,
      `parameter ${spec.name}`,
      `${count === 1 ? 'a number' : `a number or ${count} of them`} from ${min} to ${max}`,
      given,
    );
  return values;
}

function flatOf(model: InMemoryModel, first: Float32Array): NamedTensor {
  if (!(model instanceof Float32Array) || model.length !== first.length)
    throw new ShapeMismatchError(
      'mergeModels',
      [first.length],
      model instanceof Float32Array ? [model.length] : [],
      'pass models of one architecture, all flat or all as tensors by name',
    );
  return { shape: [model.length], values: model };
}

function tensorOf(model: InMemoryModel, name: string, shape: readonly number[]): NamedTensor {
  const tensor = model instanceof Float32Array ? undefined : model.get(name);
  if (!tensor || tensor.shape.join() !== shape.join())
    throw new ShapeMismatchError(
      `mergeModels, tensor ${name}`,
      shape,
      tensor?.shape ?? [],
      'pass models that have the same tensors with the same shapes',
    );
  return tensor;
}
