/** What the stream and its lanes tell each other of a tensor. */
import type { CountedDigit } from '../../combine/merge/magnitude-counter.js';
import type { StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { FileRange } from '../../tensor/safetensors/file-range.js';

/** A tensor, or a range of one, as it is announced to the computing side. */
export interface TaskStart {
  /** Name of the method; absent: the first input is only converted. */
  readonly method?: string;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly size: number;
  readonly models: readonly string[];
  readonly base: number;
  readonly perModel: Readonly<Record<string, readonly number[]>>;
  readonly global: Readonly<Record<string, number>>;
  readonly seed: number | string | bigint;
  readonly strict: boolean;
  /** Types of the bytes that are handed over. */
  readonly inputs: readonly StoredDtype[];
  /** Inputs are rounded to this type first: a recipe's `dtype` is the type models are loaded in. */
  readonly rounding?: 'F16' | 'BF16';
  /** Only so many of the inputs are rounded; the rest are measurements. Default: all. */
  readonly rounded?: number;
  readonly output: StoredDtype;
  /** Input that the change of the tensor is measured against. */
  readonly reference: number;
  /** Bytes that the method may keep to save time. */
  readonly spareBytes?: number;
  /** Magnitudes of the inputs behind the first are counted, and nothing is merged. */
  readonly counted?: readonly CountedInput[];
}

/** What the stream has to know of it. */
export interface TaskShape {
  /** Chunks begin at multiples of so many elements. */
  readonly unit: number;
  readonly passes: number;
  /** Bytes that the method keeps besides a few blocks. */
  readonly workingBytes: number;
  /** Chunks are combined in order, from the first element on. */
  readonly inOrder: boolean;
}

export interface ChunkCommand {
  /** Statistics pass, `combine`, or everything where the chunk is the whole tensor. */
  readonly step: number | 'combine' | 'whole';
  /** Stored bytes of the chunk, one an input, each aligned to 64 bytes; or where the whole tensor lies. */
  readonly inputs: readonly (Uint8Array | FileRange)[];
  /** Gets the stored bytes of the result, but in a statistics pass; or where those of the whole tensor go. */
  readonly output: Uint8Array | FileRange;
  /** First element of the chunk in the tensor. */
  readonly offset: number;
  readonly count: number;
  /** Ends the pass. */
  readonly last: boolean;
  /** Of a whole tensor: there is room to keep what is read from files from one pass to the next. */
  readonly keeps?: boolean;
}

/** What the summary and the checks need of a combined chunk; sums over its elements in order. */
export interface ChunkResult {
  /** Sum of (out - reference) squared. */
  readonly change: number;
  /** Sum of reference squared. */
  readonly norm: number;
  readonly nonFinite: number;
  /** Flat index of the first value that is not finite, or -1. */
  readonly firstNonFinite: number;
  /** Input that is not finite there, or -1. */
  readonly blamed: number;
  /** What the method says of the tensor, with the last chunk. */
  readonly statistics?: Readonly<Record<string, number>>;
  /** Entries of each input that a threshold of its model let through, with the last chunk. */
  readonly kept?: readonly number[];
}

/** What is counted of an input's differences to the first input. */
export interface CountedInput {
  readonly digit: CountedDigit;
  /** Inputs of one key, of whatever tensors, are counted together. */
  readonly key: string;
  /** An element that is not finite is an error. */
  readonly refuseNonFinite: boolean;
}
