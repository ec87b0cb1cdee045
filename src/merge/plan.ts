/** What a recipe becomes: outputs with their inputs, methods and parameters, all known before a value is read. */
import type { MergeMethod } from '../combine/merge/method.js';
import type { StoredDtype } from '../tensor/safetensors/dtype.js';
import type { ScaleInfo } from '../tensor/safetensors/scales.js';

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
  /** A low-rank product that is added on load. */
  readonly adapter?: LowRankTerm;
  /** Scales that the stored values are multiplied by on load, before all else. */
  readonly scale?: InputScale;
}

/** Scales of an eight-bit weight, in another tensor of its model. */
export interface InputScale extends ScaleInfo {
  /** Type of the weight before it was quantized. */
  readonly dtype: TensorDtype;
}

/**
 * W + scale * B A, with A [rank, in] and B [out, rank]; row r of W takes scale * B[r, :] A. `transposed` (Conv1D weights, [in, out],
 * and embeddings, whose adapter is W + scale * (B A)^T): element [i, j] takes scale * (B A)[j, i].
 */
export interface LowRankTerm {
  /** Index of the adapter among the plan's models. */
  readonly model: number;
  readonly a: string;
  readonly b: string;
  readonly rank: number;
  readonly scale: number;
  readonly transposed: boolean;
}

export type RowMapping =
  | { readonly kind: 'cut'; readonly shape: readonly number[] }
  | {
      readonly kind: 'permute';
      readonly from: Int32Array;
      readonly fill: readonly RowFill[];
      /** Rows from this one on are padding: each is the mean of this input's rows before it, fills included. */
      readonly meanFrom?: number;
    };

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
  /**
   * Recipe order. Without a method the first is copied, and others, if any, must hold the same bytes (integers and masks that
   * cannot be merged).
   */
  readonly inputs: readonly InputTensor[];
  /** So many of the inputs, at the end, are measurements of the models before them, in the same order. Default: 0. */
  readonly measurements?: number;
  readonly method?: MergeMethod;
  readonly base: number;
  readonly perModel: Readonly<Record<string, readonly number[]>>;
  readonly global: Readonly<Record<string, number>>;
}

export interface PlannedModel {
  /** As in the recipe; of an adapter, its own path. */
  readonly reference: string;
  readonly path: string;
  /** A low-rank adapter of a model, given by its index: its tensors are terms of others, or stand in for them. */
  readonly adapter?: { readonly of: number };
  /** A file of measurements of a model, given by its index. */
  readonly sidecar?: { readonly of: number; readonly examples?: number };
}

export interface PlannedFile {
  readonly name: string;
  /** Where its bytes come from; else its content. */
  readonly from?: string;
  readonly content?: string | Uint8Array;
}

export interface MergePlan {
  readonly models: readonly PlannedModel[];
  /** In the order in which they are written. */
  readonly outputs: readonly OutputTensor[];
  /** Content of the output's config.json; absent for models without one. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Files that are copied or written beside the tensors: name and content or source path. */
  readonly files: readonly PlannedFile[];
  readonly warnings: readonly string[];
  readonly seed: number | string | bigint;
  readonly strict: boolean;
  /** Id by token, where the recipe has a tokenizer setting. */
  readonly vocabulary?: ReadonlyMap<string, number>;
}
