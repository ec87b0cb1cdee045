/** What a search turns into recipes: the same for weights and for layer paths. */

/** A recipe as the value of its YAML. */
export type RecipeValue = Readonly<Record<string, unknown>>;

export interface DecodedGenotype {
  readonly recipe: RecipeValue;
  /**
   * Factors on the hidden state that enters each layer of the output, where a data-flow search looks for them. No weight can hold them:
   * the runtime has to apply them (`merge_input_scales` of the configuration).
   */
  readonly inputScales?: readonly number[];
}

export interface Genome {
  /** Length of the search vector. */
  readonly size: number;
  /** Where the search begins. */
  readonly start: readonly number[];
  /** Whether restarts and the start are drawn from [0, 1) instead of `start`. */
  readonly randomInit: boolean;
  /** Everything that `decode` depends on, as plain values: a checkpoint of another definition is refused. */
  readonly definition: Readonly<Record<string, unknown>>;
  /** The recipe of a search vector, or undefined if it stands for none: it then ranks last. */
  decode(genotype: ArrayLike<number>): DecodedGenotype | undefined;
}

/** Whether a vector has the genome's length and holds finite numbers. */
export function isGenotype(genotype: ArrayLike<number>, size: number): boolean {
  return genotype.length === size && Array.from(genotype).every(Number.isFinite);
}
