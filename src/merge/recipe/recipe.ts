/** A merge recipe after reading: the whole mergekit language as plain data, nothing resolved yet. */
import type { Origin } from '../../config/errors.js';
import type { ModelReference } from './model-reference.js';
import type { Parameters } from './parameter-value.js';

/** Types that a recipe may ask for, as safetensors names them. */
export type RecipeDtype = 'BF16' | 'F16' | 'F32' | 'F64' | 'I64';

/** An input of a merge of whole models. */
export interface ModelEntry {
  readonly model: ModelReference;
  readonly parameters: Parameters;
  /** Where it stands in the recipe, as `models[0]`. */
  readonly path: string;
}

/** An input of an output slice: layers [start, end) of a model. */
export interface SliceSource extends ModelEntry {
  readonly layerRange: readonly [start: number, end: number];
}

export interface OutputSlice {
  readonly sources: readonly SliceSource[];
  /** Overrides the recipe's base for this slice. */
  readonly baseModel?: ModelReference;
  readonly parameters: Parameters;
  readonly path: string;
}

/** Exactly one of the two. */
export interface MergeInputs {
  readonly models?: readonly ModelEntry[];
  readonly slices?: readonly OutputSlice[];
}

export interface RecipeModule extends MergeInputs {
  readonly name: string;
  readonly parameters: Parameters;
}

export type TokenSource =
  | { readonly kind: 'zero' }
  | { readonly kind: 'model'; readonly model: ModelReference }
  | {
      readonly kind: 'model_token';
      readonly model: ModelReference;
      readonly token?: string;
      readonly tokenId?: number;
    };

export interface TokenOverride {
  readonly token: string;
  /** Absent: the default row. */
  readonly source?: TokenSource;
  /** Every model gets the row, so that the token is not blended. */
  readonly force: boolean;
}

export interface TokenizerSetting {
  readonly source: 'union' | 'base' | ModelReference;
  readonly tokens: readonly TokenOverride[];
  readonly padToMultipleOf?: number;
}

/** One document. Exactly one of `models`, `slices` and `modules` is present. */
export interface Recipe extends MergeInputs {
  readonly name?: string;
  readonly method: string;
  readonly modules?: readonly RecipeModule[];
  readonly baseModel?: ModelReference;
  readonly parameters: Parameters;
  readonly dtype?: RecipeDtype;
  readonly outDtype?: RecipeDtype;
  readonly tokenizer?: TokenizerSetting;
  readonly chatTemplate?: string;
  /** Where tensors before and behind the layers come from, instead of from the first and the last slice. `passthrough` with slices only. */
  readonly outsideLayers?: ModelReference;
  /** Factor on the hidden state that enters each layer of the output; with slices only. */
  readonly inputScales?: readonly number[];
  /** Where `merge_method` stands, for messages about the recipe as a whole. */
  readonly origin: Origin;
  readonly warnings: readonly string[];
}

/** Every model a recipe names, each once, in the order of naming; a base that is not listed comes last. */
export function referencesOf(recipe: Recipe): ModelReference[] {
  const found = new Map<string, ModelReference>();
  const add = (reference: ModelReference | undefined) => {
    if (reference !== undefined && !found.has(reference.text)) found.set(reference.text, reference);
  };
  const addInputs = (inputs: MergeInputs) => {
    for (const entry of inputs.models ?? []) add(entry.model);
    for (const slice of inputs.slices ?? []) {
      for (const source of slice.sources) add(source.model);
      add(slice.baseModel);
    }
  };
  addInputs(recipe);
  for (const module of recipe.modules ?? []) addInputs(module);
  add(recipe.outsideLayers);
  add(recipe.baseModel);
  const source = recipe.tokenizer?.source;
  if (typeof source === 'object') add(source);
  for (const token of recipe.tokenizer?.tokens ?? [])
    if (token.source !== undefined && token.source.kind !== 'zero') add(token.source.model);
  return [...found.values()];
}
