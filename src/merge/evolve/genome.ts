/** What a search turns into recipes: the same for weights and for layer paths. */

/** A recipe as the value of its YAML. */
export type RecipeValue = Readonly<Record<string, unknown>>;

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
  decode(genotype: ArrayLike<number>): RecipeValue | undefined;
}

/** The recipe with other names of its models, as when it moves to another folder. */
export function renameModels(recipe: RecipeValue, rename: (reference: string) => string): RecipeValue {
  const renamed = (key: string, value: unknown): unknown => {
    if (typeof value === 'string') return isReference(key, value) ? rename(value) : value;
    if (Array.isArray(value)) return value.map((item) => renamed('', item));
    if (typeof value === 'object' && value !== null) return renameModels(value as RecipeValue, rename);
    return value;
  };
  return Object.fromEntries(Object.entries(recipe).map(([key, value]) => [key, renamed(key, value)]));
}

function isReference(key: string, value: string): boolean {
  if (key === 'tokenizer_source') return value !== 'union' && value !== 'base';
  return key === 'model' || key === 'base_model' || key === 'outside_layers';
}

/** Whether a vector has the genome's length and holds finite numbers. */
export function isGenotype(genotype: ArrayLike<number>, size: number): boolean {
  return genotype.length === size && Array.from(genotype).every(Number.isFinite);
}
