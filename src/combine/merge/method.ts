/**
 * What a merge method is: a record that says what it needs, and a function that plans one tensor.
 *
 * A planned tensor is read once per statistics pass and once more to combine, in chunks, so that memory does not depend on the
 * tensor's size. All methods are per tensor; what crosses tensors (thresholds of whole models) is found before and comes as a
 * parameter. Source of formulas: the paper named in each file.
 */
import type { Kernels } from '../../kernels/kernels.js';

export interface ParameterSpec {
  readonly name: string;
  /** `model`: one value a model; `global`: one value a tensor. */
  readonly scope: 'model' | 'global';
  /** Of a choice the value is the index of a word in `choices`. */
  readonly type: 'number' | 'boolean' | 'choice';
  readonly choices?: readonly string[];
  /** The reference tool does not have it: refused in strict mode. */
  readonly extension?: boolean;
  /** Absent: required. */
  readonly default?: number | boolean;
  /** Inclusive bounds. */
  readonly min?: number;
  readonly max?: number;
}

export interface MergeMethod {
  /** As in recipes, snake_case. */
  readonly name: string;
  /** Paper, and where the implementation differs from it. */
  readonly reference: string;
  readonly parameters: readonly ParameterSpec[];
  /**
   * `required`, `optional`: the common ancestor. `model`: a base that is set, and not listed, is one more model, last. `none`: the
   * method has no use for one.
   */
  readonly base: 'required' | 'optional' | 'model' | 'none';
  /** Bounds on the number of models, the base not counted. */
  readonly models: { readonly min: number; readonly max?: number };
  plan(context: TensorContext): TensorMerge;
}

/** One tensor to merge, before its values are read. */
export interface TensorContext {
  readonly kernels: Kernels;
  /** Name of the output tensor: addresses the random numbers of randomised methods, and stands in messages. */
  readonly tensor: string;
  readonly shape: readonly number[];
  /** Elements of the tensor; of every input. */
  readonly size: number;
  /** Names of the inputs in recipe order; values come to `accept` and `combine` in this order. */
  readonly models: readonly string[];
  /** Index of the base among the inputs, or -1. */
  readonly base: number;
  /** Per-model parameters by name, one value an input (that of the base is unused unless a method says so). */
  readonly perModel: Readonly<Record<string, readonly number[]>>;
  readonly global: Readonly<Record<string, number>>;
  readonly seed: number | string | bigint;
  /** Round of a federation, which has masks of its own. Default: 0. */
  readonly round?: number;
  /** Reproduce the reference tool's quirks. */
  readonly strict: boolean;
  /** What Model Stock gives for task vectors that cancel: an error (default), or the base, which is the limit of its clamped ratio. */
  readonly onSingular?: 'throw' | 'base';
  /** Bytes that may be kept to save time, as masks that are dear to find again; changes no value. Default: no bound. */
  readonly spareBytes?: number;
}

export interface TensorMerge {
  /**
   * Chunks begin at multiples of this many elements (a row, or 1), and hold a multiple of it but for the last. Default: 1.
   * The stream also keeps them multiples of 65,536 where it can, so that sums have one shape whatever the memory.
   */
  readonly alignment?: number;
  /** Bytes of its own that grow with the tensor or its rows, where they are more than a few blocks; `spareBytes` not counted. Default: 0. */
  readonly workingBytes?: number;
  /** `combine` has to see the whole tensor from its first element on, although there are no passes: it deals something out by index. */
  readonly inOrder?: boolean;
  /** Statistics passes in order; each sees all chunks of all inputs once, in order of `offset`. */
  readonly passes: readonly StatisticsPass[];
  /**
   * Writes out[i] from inputs[k][i] for one chunk; `offset` is the element index of its first. Chunks come in order.
   *
   * What it writes at an element may depend on the inputs' values there (or in its row, where `alignment` holds rows together), on the
   * element's index, and on what the passes found: never on where chunks begin or end. So any cut into chunks gives the same bytes.
   * Ties that are dealt out by index are counted from offset 0, which starts anew.
   */
  combine(out: Float32Array, inputs: readonly Float32Array[], offset: number): void;
  /**
   * The same from 16-bit floats to codes of their type, rounded to nearest even, for what has kernels that widen values as they read
   * them. `sums` are those of `measureChangeF64` for the results and the reference.
   */
  combineStored?(out: Uint16Array, sums: Float64Array, inputs: CodedInputs, offset: number): void;
  /** What a report may say of the tensor after the passes: interpolation ratio, cosine. */
  statistics?(): Readonly<Record<string, number>>;
  /** Entries of each input that a threshold of the whole model let through, after the last chunk; of the base all. */
  kept?(): readonly number[];
}

export interface StatisticsPass {
  accept(inputs: readonly Float32Array[], offset: number): void;
  /** The same from 16-bit floats, bit for bit. A pass is given all chunks in one of the two ways. */
  acceptStored?(inputs: CodedInputs, offset: number): void;
  /** After the last chunk. */
  end?(): void;
}

/** Inputs of one 16-bit type as they are stored. */
export interface CodedInputs {
  readonly codes: readonly Uint16Array[];
  /** As kernels name it: 0 bfloat16, 1 float16. */
  readonly format: number;
  /** Input that the change is measured against: the base where there is one. */
  readonly reference: number;
}

export interface InMemoryMerge {
  /** Where the result goes. Default: new memory. */
  readonly out?: Float32Array;
  /** Called with what the method has to tell of the tensor, if it has. */
  readonly onStatistics?: (statistics: Readonly<Record<string, number>>) => void;
}

/** Merges a whole tensor in memory: what the stream does, in one chunk. */
export function mergeInMemory(
  method: MergeMethod,
  context: TensorContext,
  inputs: readonly Float32Array[],
  { out = new Float32Array(context.size), onStatistics }: InMemoryMerge = {},
): Float32Array {
  const merge = method.plan(context);
  for (const pass of merge.passes) {
    pass.accept(inputs, 0);
    pass.end?.();
  }
  merge.combine(out, inputs, 0);
  const statistics = onStatistics && merge.statistics?.();
  if (statistics) onStatistics(statistics);
  return out;
}
