/** Merges of models in memory that go by data: measured importance, measured inputs, or a score. */
import { InvalidArgumentError, ShapeMismatchError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { FlatTensor } from '../../tensor/safetensors/flat-model.js';
import { fisherNorm, fisherMean as fisherOfVectors } from './fisher.js';
import { linear } from './functions.js';
import { type SoupTrace, greedySoup as soupOfVectors } from './greedy-soup.js';
import {
  alignedTensors,
  carriedOver,
  type InMemoryModel,
  isMergeable,
  modelOf,
  type NamedTensor,
  tensorsOf,
} from './models.js';
import { regMean as regMeanOfLayer } from './regmean.js';
import { resultDtype } from './result-dtype.js';

type AnyTensor = NamedTensor | FlatTensor;

const labels = (models: readonly unknown[], what = 'model'): string[] => models.map((_, k) => `${what} ${k}`);

/** A merged tensor in the type that holds those of all. */
function merged(
  method: string,
  shape: readonly number[],
  values: Float32Array,
  from: readonly AnyTensor[],
): AnyTensor {
  const dtypes = from.flatMap((tensor) => ('dtype' in tensor ? [tensor.dtype] : []));
  return dtypes.length === 0 ? { shape, values } : { shape, values, dtype: resultDtype(method, dtypes, -1) };
}

export interface FisherMeanOptions {
  /** Diagonal Fisher information of each model, >= 0, with the tensors and shapes of the models; as `fisher.safetensors` holds it. */
  fishers: readonly InMemoryModel[];
  /** One a model, >= 0. Default: equal. */
  coefficients?: readonly number[];
  /** Least information of an element. Default: 1e-6. */
  floor?: number;
  /** Raise the first (target) model alone to the floor. Default: false. */
  favorTarget?: boolean;
  /** Divide each by the L2 norm of its whole Fisher information. Default: false. */
  normalize?: boolean;
  kernels?: Kernels;
}

/**
 * The average of models weighted by diagonal Fisher information, element by element: sum l_i F_i x_i / sum l_i F_i.
 *
 * @throws {InvalidArgumentError} for counts that differ or coefficients below 0; as `mergeModels` for models that do not fit together.
 * @see Matena and Raffel 2022, "Merging Models with Fisher-Weighted Averaging" (arXiv 2111.09832), eq. 3.
 */
export function fisherMean<M extends InMemoryModel>(models: readonly M[], options: FisherMeanOptions): M {
  const where = 'fisherMean';
  const { fishers, normalize = false, ...rest } = options;
  if (models.length === 0) throw new InvalidArgumentError(where, 'models', 'at least one model', 0);
  if (fishers.length !== models.length)
    throw new InvalidArgumentError(where, 'fishers', `${models.length}, one a model`, fishers.length);
  const all = alignedTensors(where, models, labels(models));
  const information = fishers.map(tensorsOf);
  const floats = [...all[0].keys()].filter((name) =>
    all.every((one) => isMergeable(one.get(name) as AnyTensor)),
  );
  const valuesOf = (k: number, name: string): Float32Array => {
    const size = all[0].get(name)?.values.length ?? 0;
    const values = information[k].get(name)?.values;
    if (values?.length !== size)
      throw new ShapeMismatchError(
        `${where}, Fisher information ${k} of tensor ${name}`,
        [size],
        values === undefined ? [] : [values.length],
        'measure every model on its own data, for all tensors',
      );
    return values;
  };
  const norms = normalize
    ? information.map(
        (_, k) =>
          fisherNorm(
            floats.map((name) => valuesOf(k, name)),
            rest.kernels,
          ) || 1,
      )
    : undefined;
  const tensors = new Map<string, AnyTensor>();
  for (const [name, { shape }] of all[0]) {
    const from = all.map((one) => one.get(name) as AnyTensor);
    if (!floats.includes(name)) {
      tensors.set(name, carriedOver(where, name, from, labels(models)));
      continue;
    }
    const values = fisherOfVectors(
      from.map((tensor) => tensor.values),
      models.map((_, k) => valuesOf(k, name)),
      { ...rest, norms },
    );
    tensors.set(name, merged(where, shape, values, from));
  }
  return modelOf(models[0], tensors);
}

export interface RegMeanOptions {
  /**
   * Mean Gram matrices X^T X / n of the inputs of linear layers, by the layer's name (`fc1` for the tensor `fc1.weight`) or the tensor's;
   * shape [in, in]. Layers that are not named are averaged.
   */
  grams: readonly (ReadonlyMap<string, NamedTensor> | Extract<InMemoryModel, { tensors: unknown }>)[];
  /** Off-diagonal elements of the Gram matrices are multiplied by it, in [0, 1]. Default: 0.9. */
  alpha?: number;
  /** One a model, > 0; for averaged tensors too. Default: equal. */
  coefficients?: readonly number[];
  /** How weights are stored: [out, in] (default) or [in, out]. */
  layout?: 'out-in' | 'in-out';
  /** Called for layers whose Gram matrices had to be made regular, with what was added to the diagonal. */
  onRidge?: (tensor: string, ridge: number) => void;
  kernels?: Kernels;
}

/**
 * RegMean: every linear layer becomes the one that is nearest, in least squares, to each model's layer on that model's own inputs; all
 * other tensors the weighted mean.
 *
 * @throws {InvalidArgumentError} for counts or parameters out of range; as `mergeModels` for models that do not fit together.
 * @see Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (arXiv 2212.09849), eq. 2.
 */
export function regMean<M extends InMemoryModel>(models: readonly M[], options: RegMeanOptions): M {
  const where = 'regMean';
  const { grams, alpha, coefficients, layout = 'out-in', onRidge, kernels } = options;
  if (models.length === 0) throw new InvalidArgumentError(where, 'models', 'at least one model', 0);
  if (grams.length !== models.length)
    throw new InvalidArgumentError(where, 'grams', `${models.length} sets, one a model`, grams.length);
  const all = alignedTensors(where, models, labels(models));
  const sets = grams.map(tensorsOf);
  const averaged = linear(models, {
    ...(coefficients && { weight: coefficients }),
    ...(kernels && { kernels }),
  });
  const tensors = new Map<string, AnyTensor>(tensorsOf(averaged));
  for (const [name, { shape }] of all[0]) {
    const key = [name, name.replace(/\.weight$/, '')].find((one) => sets.some((set) => set.has(one)));
    const from = all.map((one) => one.get(name) as AnyTensor);
    if (key === undefined || shape.length !== 2 || !from.every(isMergeable)) continue;
    const [rows, columns] = shape;
    const inFeatures = layout === 'out-in' ? columns : rows;
    const matrices = sets.map((set, k) => {
      const values = set.get(key)?.values;
      if (values?.length !== inFeatures * inFeatures)
        throw new ShapeMismatchError(
          `${where}, Gram matrix of ${key} for model ${k}`,
          [inFeatures, inFeatures],
          set.get(key)?.shape ?? [],
          'gather the inputs of the same layers for every model',
        );
      return values;
    });
    const { values, ridge } = regMeanOfLayer({
      weights: from.map((tensor) => tensor.values),
      grams: matrices,
      inFeatures,
      outFeatures: layout === 'out-in' ? rows : columns,
      layout,
      ...(alpha !== undefined && { alpha }),
      ...(coefficients && { coefficients }),
      ...(kernels && { kernels }),
    });
    if (ridge > 0) onRidge?.(name, ridge);
    tensors.set(name, merged(where, shape, values, from));
  }
  return modelOf(models[0], tensors);
}

export interface GreedySoupModelOptions<M> {
  /** Score of a model on held-out data, higher is better. */
  score(model: M): number | Promise<number>;
  /** Take in a model that leaves the score as it is. Default: false. */
  acceptEqual?: boolean;
  /** Where an earlier run over the same models got to. */
  trace?: SoupTrace;
  /** Called after every score with the trace so far: store it to be able to go on. */
  onStep?(trace: SoupTrace): void | Promise<void>;
  signal?: AbortSignal;
  kernels?: Kernels;
}

export interface GreedySoupModel<M> {
  readonly model: M;
  /** Models in the soup, by their place in the list, in order of their acceptance. */
  readonly ingredients: readonly number[];
  readonly score: number;
  readonly trace: SoupTrace;
}

/**
 * Tries models best first, and takes each into the running mean that raises the score of it.
 *
 * @param models - models, or functions that load them one at a time.
 * @throws {InvalidArgumentError} for no models, the trace of other models, or a score that is NaN.
 * @see Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), recipe 1.
 * @example
 * const { model, ingredients } = await greedySoup([a, b, c], { score: (model) => accuracyOf(model) });
 */
export async function greedySoup<M extends InMemoryModel>(
  models: readonly (M | (() => M | Promise<M>))[],
  options: GreedySoupModelOptions<M>,
): Promise<GreedySoupModel<M>> {
  const where = 'greedySoup';
  if (models.length === 0) throw new InvalidArgumentError(where, 'models', 'at least one model', 0);
  const load = async (k: number): Promise<M> => {
    const given = models[k];
    return typeof given === 'function' ? given() : given;
  };
  const first = await load(0);
  const { score, ...rest } = options;
  const { weights, ...found } = await soupOfVectors({
    ...rest,
    count: models.length,
    async load(k) {
      const model = k === 0 ? first : await load(k);
      alignedTensors(where, [first, model], ['model 0', `model ${k}`]);
      return flattened(where, first, model, k);
    },
    score: (vector) => score(unflattened(first, vector)),
  });
  return { model: unflattened(first, weights), ...found };
}

/** Float tensors one behind the other, in the order of `like`; the others have to be the same. */
function flattened(where: string, like: InMemoryModel, model: InMemoryModel, k: number): Float32Array {
  const [own, pattern] = [tensorsOf(model), tensorsOf(like)];
  const parts: Float32Array[] = [];
  for (const [name, tensor] of pattern) {
    const other = own.get(name) as AnyTensor;
    if (isMergeable(tensor) && isMergeable(other)) parts.push(other.values);
    else carriedOver(where, name, [tensor, other], ['model 0', `model ${k}`]);
  }
  const flat = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    flat.set(part, at);
    at += part.length;
  }
  return flat;
}

function unflattened<M extends InMemoryModel>(like: M, flat: Float32Array): M {
  let at = 0;
  const tensors = new Map<string, AnyTensor>();
  for (const [name, tensor] of tensorsOf(like)) {
    if (!isMergeable(tensor)) {
      tensors.set(name, tensor);
      continue;
    }
    const end = at + tensor.values.length;
    // Copies: the vector is only lent.
    tensors.set(name, { ...tensor, values: flat.slice(at, end) });
    at = end;
  }
  return modelOf(like, tensors);
}
