/** Tensors by name, and what became of them. */

export interface NamedTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}
export type Tensors = ReadonlyMap<string, NamedTensor>;

export type Exactness = 'exact' | 'approximate' | 'random';

/** Where a tensor of the new model came from. */
export interface Provenance {
  readonly target: string;
  readonly sources: readonly string[];
  readonly operator: string;
  readonly exactness: Exactness;
}
