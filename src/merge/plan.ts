/** What a recipe becomes: outputs with their inputs, methods and parameters, all known before a value is read. */
import type { MergeMethod } from '../combine/merge/method.js';
import type { StoredDtype } from '../tensor/safetensors/dtype.js';

/** Element types of checkpoints, as safetensors names them; tensors of other types are only copied. */
export type TensorDtype = StoredDtype;

/** A tensor of an input model. */
export interface InputTensor {
  /** Index into the plan's `models`. */
  readonly model: number;
  /** Name in that model's files. */
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /**
   * How its rows become those of the output, where they do not line up (vocabulary permutation: output row -> input row, -1 = fill;
   * or cut to the common sub-matrix). Absent: as it is.
   */
  readonly rows?: RowMapping;
}

export type RowMapping =
  | { readonly kind: 'cut'; readonly shape: readonly number[] }
  | { readonly kind: 'permute'; readonly from: Int32Array; readonly fill: readonly RowFill[] };

/** Row of an output that a model lacks: zeros, another model's row, or the mean of rows. */
export interface RowFill {
  readonly row: number;
  readonly from: readonly { readonly model: number; readonly name: string; readonly row: number }[];
}

export interface OutputTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Type it is stored in. */
  readonly dtype: TensorDtype;
  /** Type the mathematics of the reference tool runs in; ours is float32 from stored values, rounded once at the end. */
  readonly mathDtype: TensorDtype;
  /** Recipe order; one that is only copied has a single input and no method. */
  readonly inputs: readonly InputTensor[];
  readonly method?: MergeMethod;
  readonly base: number;
  readonly perModel: Readonly<Record<string, readonly number[]>>;
  readonly global: Readonly<Record<string, number>>;
}

export interface PlannedModel {
  readonly reference: string;
  readonly path: string;
}

export interface MergePlan {
  readonly models: readonly PlannedModel[];
  /** In the order in which they are written. */
  readonly outputs: readonly OutputTensor[];
  /** Content of the output's config.json; absent for models without one. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Files that are copied or written beside the tensors: name and content or source path. */
  readonly files: readonly { readonly name: string; readonly from?: string; readonly content?: string }[];
  readonly warnings: readonly string[];
  readonly seed: number | string | bigint;
  readonly strict: boolean;
}
