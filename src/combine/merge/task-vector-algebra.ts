/**
 * Task vectors as values: the difference of a fine-tuned model to its base, which can be negated, added up, scaled, stored, and applied.
 *
 * A task vector is a model of the kind of its base, its values float32. One from `readModel` has only the tensors of floats, and knows its
 * base: `writeModel` stores it with the metadata `kind: task_vector` and `base_sha256`.
 *
 * @see Ilharco et al. 2023, "Editing Models with Task Arithmetic" (arXiv 2212.04089), section 2.
 */
import { HeddleError, InvalidArgumentError } from '../../errors.js';
import { currentKernels } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { FlatModel, FlatTensor } from '../../tensor/safetensors/flat-model.js';
import { flatModelSha256 } from '../../tensor/safetensors/model-hash.js';
import {
  alignedTensors,
  type InMemoryModel,
  isMergeable,
  modelOf,
  type NamedTensor,
  tensorsOf,
} from './models.js';

const KIND = 'task_vector';

/** A task vector meets another base than the one it was taken from. */
export class TaskVectorBaseError extends HeddleError {
  constructor(where: string, expected: string, actual: string) {
    super(
      'ERR_TASK_VECTOR_BASE',
      `${where}: the task vector was taken from the base with SHA-256 ${expected}, and this one has ${actual}`,
      'use the base that the fine-tune began from; `anyBase: true` applies it to another one all the same',
    );
  }
}

export interface TaskVectorCalls {
  /** Default: the kernels of `init()`, else native where it is built. */
  kernels?: Kernels;
}

/**
 * model - base, tensor by tensor, rounded once to float32.
 *
 * @throws as `mergeModels` for models that do not fit together.
 */
export function taskVector<M extends InMemoryModel>(model: M, base: M, options: TaskVectorCalls = {}): M {
  const { kernels = currentKernels() } = options;
  const [x, b] = alignedTensors('taskVector', [model, base], ['the model', 'the base']);
  const tensors = new Map<string, NamedTensor | FlatTensor>();
  for (const [name, from] of b) {
    const tuned = x.get(name) as NamedTensor | FlatTensor;
    if (!isMergeable(from) || !isMergeable(tuned)) continue;
    const values = new Float32Array(from.values.length);
    kernels.subtractF32(values, tuned.values, from.values);
    tensors.set(name, typed(base, from.shape, values));
  }
  const metadata = isFlat(base) ? { kind: KIND, base_sha256: flatModelSha256(base, kernels) } : undefined;
  return modelOf(base, tensors, metadata);
}

/** -v: applied to its base, it makes a model forget. */
export const negateTaskVector = <M extends InMemoryModel>(vector: M, options: TaskVectorCalls = {}): M =>
  combine('negateTaskVector', [vector], [-1], options);

/** s * v, each element rounded once. */
export const scaleTaskVector = <M extends InMemoryModel>(
  vector: M,
  scale: number,
  options: TaskVectorCalls = {},
): M => combine('scaleTaskVector', [vector], [scale], options);

/**
 * The sum of task vectors of one base, in float64, rounded once. With a negated one it is an analogy: "A is to B as C is to D".
 *
 * @throws {@link TaskVectorBaseError} for vectors of different bases; as `mergeModels` for ones that do not fit together.
 */
export const addTaskVectors = <M extends InMemoryModel>(
  vectors: readonly M[],
  options: TaskVectorCalls = {},
): M =>
  combine(
    'addTaskVectors',
    vectors,
    vectors.map(() => 1),
    options,
  );

/**
 * base + scale * v. Integers and packed tensors are the base's.
 *
 * @param options.scale - default 1; 0.3 to 0.5 is usual for a sum of several tasks.
 * @param options.anyBase - apply it to a base that it was not taken from. Default: refuse.
 * @returns a model of the base's kind, types and configuration.
 * @throws {@link TaskVectorBaseError} for another base; {InvalidArgumentError} for a model that is no task vector.
 */
export function applyTaskVector<M extends InMemoryModel>(
  base: M,
  vector: M,
  options: TaskVectorCalls & { scale?: number; anyBase?: boolean } = {},
): M {
  const where = 'applyTaskVector';
  const { scale = 1, anyBase = false, kernels = currentKernels() } = options;
  if (!Number.isFinite(scale)) throw new InvalidArgumentError(where, 'scale', 'a finite number', scale);
  const all = tensorsOf(base);
  const floats = new Map([...all].filter(([, tensor]) => isMergeable(tensor)));
  const [b, v] = alignedTensors(where, [modelOf(base, floats), vector], ['the base', 'the task vector']);
  if (isFlat(base) && !anyBase) {
    const expected = baseOf(where, vector);
    const actual = flatModelSha256(base, kernels);
    if (actual !== expected) throw new TaskVectorBaseError(where, expected, actual);
  }
  const tensors = new Map(all);
  for (const [name, tensor] of b) {
    const values = new Float32Array(tensor.values.length);
    const delta = (v.get(name) as NamedTensor).values;
    kernels.weightedSumF32(values, [tensor.values, delta], Float64Array.of(1, scale));
    tensors.set(name, { ...tensor, values });
  }
  return modelOf(base, tensors);
}

function combine<M extends InMemoryModel>(
  where: string,
  vectors: readonly M[],
  weights: readonly number[],
  { kernels = currentKernels() }: TaskVectorCalls,
): M {
  if (vectors.length === 0) throw new InvalidArgumentError(where, 'vectors', 'at least one', 0);
  if (!weights.every(Number.isFinite))
    throw new InvalidArgumentError(where, 'scale', 'a finite number', weights[0]);
  const [first, ...others] = vectors;
  const all = alignedTensors(
    where,
    vectors,
    vectors.map((_, k) => `task vector ${k}`),
  );
  if (isFlat(first)) {
    const expected = baseOf(where, first);
    for (const other of others) {
      const actual = baseOf(where, other);
      if (actual !== expected) throw new TaskVectorBaseError(where, expected, actual);
    }
  }
  const tensors = new Map<string, NamedTensor | FlatTensor>();
  for (const [name, { shape }] of all[0]) {
    const parts = all.map((one) => (one.get(name) as NamedTensor).values);
    const values = new Float32Array(parts[0].length);
    kernels.weightedSumF32(values, parts, Float64Array.from(weights));
    tensors.set(name, typed(first, shape, values));
  }
  return modelOf(first, tensors, isFlat(first) ? first.metadata : undefined);
}

/** Hash of the base that a task vector says it was taken from. */
function baseOf(where: string, vector: InMemoryModel): string {
  const metadata = isFlat(vector) ? vector.metadata : undefined;
  if (metadata?.kind !== KIND || metadata.base_sha256 === undefined)
    throw new InvalidArgumentError(
      where,
      'the task vector',
      'what `taskVector` made, with its metadata',
      metadata?.kind ?? 'a model without such metadata',
      'take it with taskVector(model, base); a file that stores one keeps `kind` and `base_sha256` in its metadata',
    );
  return metadata.base_sha256;
}

function isFlat(model: InMemoryModel): model is FlatModel {
  return !(model instanceof Float32Array) && 'tensors' in model;
}

/** A tensor of differences, which are kept in float32 whatever the type of the models. */
function typed(
  like: InMemoryModel,
  shape: readonly number[],
  values: Float32Array,
): NamedTensor | FlatTensor {
  return isFlat(like) ? { dtype: 'F32', shape, values } : { shape, values };
}
