/**
 * The parameter space: numbers of one merge method by groups of layers and by filters of tensor names ("Evolutionary Optimization of
 * Model Merging Recipes", arXiv 2403.13187, section 3.1). The vector is [groups, models, sets, params], flattened row-major.
 */

import { nearest } from '../../config/names.js';
import { expF64 } from '../../data/partition/elementary.js';
import { type Bounds, intoBounds } from './bounds.js';
import { SearchError } from './errors.js';
import { type Genome, isGenotype, type RecipeValue } from './genome.js';
import { type Gene, methodGenes, normalizedByDefault, withNormalize } from './method-genes.js';

export interface ParameterGenomeOptions {
  /** At least one; the base is not among them. `slerp` needs two or more. */
  readonly models: readonly string[];
  readonly mergeMethod: string;
  readonly baseModel?: string;
  readonly tokenizerSource?: string;
  /** Layers that share their parameters; 0: all. Must divide `layers`. Default: 0. */
  readonly layerGranularity?: number;
  /** Layers of each model; needed with `layerGranularity`. */
  readonly layers?: number;
  /** Parts of tensor names that get parameters of their own; what matches none is the last set. Default: none. */
  readonly filters?: readonly string[];
  /** One gradient over the whole model instead of one slice a group. Default: false. */
  readonly smooth?: boolean;
  /** Keep the sign of weights and t. Default: false. */
  readonly allowNegativeWeights?: boolean;
  /** Default: true for linear, ties and dare_ties. */
  readonly normalize?: boolean;
  /** Begin anywhere in [0, 1) instead of at equal weights. Default: false. */
  readonly randomInit?: boolean;
  /** Intervals by parameter name, by a smooth map instead of folding; 'weight: {lower: -1, upper: 1}'. */
  readonly bounds?: Readonly<Record<string, Bounds>>;
  readonly dtype?: string;
  readonly outDtype?: string;
}

/** @throws {SearchError} for a method with nothing to search, a granularity that does not divide, or what does not go together. */
export function parameterGenome(options: ParameterGenomeOptions): Genome {
  const { models, mergeMethod, filters = [], smooth = false, randomInit = false } = options;
  const genes = genesOf(mergeMethod);
  check(options, genes);
  const granularity = options.layerGranularity ?? 0;
  const groups = granularity > 0 ? (options.layers ?? 0) / granularity : 1;
  const sets = filters.length + 1;
  const holders = genes.some((gene) => gene.scope === 'global') ? 1 : models.length;
  const size = groups * holders * sets * genes.length;
  const startOf = (gene: Gene): number =>
    gene.start === 'share' ? 1 / models.length : gene.start / (gene.unit ?? 1);

  return {
    size,
    start: Array.from({ length: size }, (_, i) => startOf(genes[i % genes.length])),
    randomInit,
    definition: { kind: 'parameters', ...options },
    decode(genotype) {
      if (!isGenotype(genotype, size)) return undefined;
      const at = (group: number, holder: number, set: number, gene: number): number =>
        expressed(
          genotype[((group * holders + holder) * sets + set) * genes.length + gene],
          genes[gene],
          options,
        );
      const layout = { options, genes, groups, granularity, at };
      if (mergeMethod === 'slerp') return slerpRecipe(layout);
      return smooth || groups === 1 ? wholeRecipe(layout) : slicedRecipe(layout);
    },
  };
}

interface Layout {
  readonly options: ParameterGenomeOptions;
  readonly genes: readonly Gene[];
  readonly groups: number;
  readonly granularity: number;
  at(group: number, holder: number, set: number, gene: number): number;
}

function genesOf(method: string): readonly Gene[] {
  if (Object.hasOwn(methodGenes, method)) return methodGenes[method];
  const names = Object.keys(methodGenes);
  const near = nearest(method, names);
  throw new SearchError(
    `merge_method ${JSON.stringify(method)} has no parameter to search for`,
    near === undefined ? `choose one of ${names.join(', ')}` : `did you mean ${near}?`,
  );
}

function check(options: ParameterGenomeOptions, genes: readonly Gene[]): void {
  const { models, mergeMethod, filters = [], smooth = false, layers, layerGranularity = 0, bounds } = options;
  const fewest = mergeMethod === 'slerp' ? 2 : 1;
  if (models.length < fewest)
    throw new SearchError(
      `${mergeMethod} needs ${fewest} or more models, got ${models.length}`,
      'list them under models',
    );
  if (mergeMethod === 'slerp' && (smooth || filters.length > 0))
    throw new SearchError(
      'slerp cannot be searched with smooth or filters: each group of layers chooses its own pair of models',
      'remove them, or search for linear weights instead',
    );
  if (layerGranularity > 0 && !(layers !== undefined && layers > 0 && layers % layerGranularity === 0))
    throw new SearchError(
      `layer_granularity ${layerGranularity} does not divide the ${layers ?? 'unknown number of'} layers`,
      'choose a divisor of the number of layers, or 0 for one group',
    );
  for (const [name, { lower, upper }] of Object.entries(bounds ?? {})) {
    if (!genes.some((gene) => gene.name === name))
      throw new SearchError(
        `bounds name ${JSON.stringify(name)}, which ${mergeMethod} does not search for`,
        `it searches for ${genes.map((gene) => gene.name).join(', ')}`,
      );
    if (!(Number.isFinite(lower) && Number.isFinite(upper) && lower < upper))
      throw new SearchError(
        `bounds of ${name} are [${lower}, ${upper}]`,
        'give two numbers, the lower first',
      );
  }
}

/** The value that a number of the vector stands for. */
function expressed(value: number, gene: Gene, options: ParameterGenomeOptions): number {
  const bounds = options.bounds?.[gene.name];
  const inUnits = value * (gene.unit ?? 1);
  if (bounds !== undefined) return intoBounds(inUnits, bounds);
  const folded = gene.fold === 'weight' && options.allowNegativeWeights ? inUnits : Math.abs(inUnits);
  if (gene.fold === 'switch') return folded >= 0.5 ? 1 : 0;
  const { lower, upper } = gene.clamp ?? { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY };
  return Math.min(upper, Math.max(lower, folded));
}

/** One entry a model with constants, or with gradients over the groups. */
function wholeRecipe(layout: Layout): RecipeValue {
  const { options, groups, at } = layout;
  const over = (holder: number, set: number, gene: number): number | number[] =>
    groups === 1
      ? at(0, holder, set, gene)
      : Array.from({ length: groups }, (_, group) => at(group, holder, set, gene));
  const globals = parameters(layout, 'global', 0, over);
  return {
    ...head(options),
    models: options.models.map((model, holder) => ({
      model,
      ...optional('parameters', parameters(layout, 'model', holder, over)),
    })),
    ...tail(options, globals),
  };
}

/** One output slice a group. */
function slicedRecipe(layout: Layout): RecipeValue {
  const { options, groups, at } = layout;
  const slices = Array.from({ length: groups }, (_, group) => {
    const value = (holder: number, set: number, gene: number): number => at(group, holder, set, gene);
    return {
      sources: options.models.map((model, holder) => ({
        model,
        layer_range: range(layout, group),
        ...optional('parameters', parameters(layout, 'model', holder, value)),
      })),
      ...optional('parameters', parameters(layout, 'global', 0, value)),
    };
  });
  return { ...head(options), slices, ...tail(options, {}) };
}

/** Each group merges the two models with the largest t; the first is the base and t is the softmax share of the second. */
function slerpRecipe(layout: Layout): RecipeValue {
  const { options, groups, at } = layout;
  const pairs = Array.from({ length: groups }, (_, group) => {
    const values = options.models.map((model, k) => ({ model, value: at(group, k, 0, 0), k }));
    const [first, second] = values.sort((a, b) => b.value - a.value || a.k - b.k);
    // exp(v2) / (exp(v1) + exp(v2)), without overflow.
    const e = expF64(second.value - first.value);
    return { base: first.model, models: [first.model, second.model], t: e / (1 + e) };
  });
  const { base_model: _, ...common } = head(options);
  const [only] = pairs;
  if (groups === 1)
    return {
      ...common,
      base_model: only.base,
      models: only.models.map((model) => ({ model })),
      ...tail(options, { t: only.t }),
    };
  const slices = pairs.map(({ base, models, t }, group) => ({
    sources: models.map((model) => ({ model, layer_range: range(layout, group) })),
    base_model: base,
    parameters: { t },
  }));
  return { ...common, slices, ...tail(options, {}) };
}

function range({ granularity }: Layout, group: number): [number, number] {
  return [group * granularity, (group + 1) * granularity];
}

function parameters(
  { options, genes }: Layout,
  scope: Gene['scope'],
  holder: number,
  value: (holder: number, set: number, gene: number) => number | number[],
): Record<string, unknown> {
  const { filters = [] } = options;
  const entries = genes.flatMap((gene, index) => {
    if (gene.scope !== scope) return [];
    const bySet = [...filters, undefined].map((filter, set) => ({
      ...(filter === undefined ? {} : { filter }),
      value: value(holder, set, index),
    }));
    return [[gene.name, filters.length === 0 ? bySet[0].value : bySet]];
  });
  return Object.fromEntries(entries);
}

function head({ mergeMethod, baseModel }: ParameterGenomeOptions): Record<string, unknown> {
  return { merge_method: mergeMethod, ...(baseModel === undefined ? {} : { base_model: baseModel }) };
}

function tail(options: ParameterGenomeOptions, globals: Record<string, unknown>): Record<string, unknown> {
  const { mergeMethod, tokenizerSource, dtype, outDtype } = options;
  const normalize = options.normalize ?? normalizedByDefault.includes(mergeMethod);
  const all = { ...globals, ...(withNormalize.includes(mergeMethod) ? { normalize } : {}) };
  return {
    ...optional('parameters', all),
    ...(tokenizerSource === undefined ? {} : { tokenizer_source: tokenizerSource }),
    ...(dtype === undefined ? {} : { dtype }),
    ...(outDtype === undefined ? {} : { out_dtype: outDtype }),
  };
}

function optional(name: string, value: Record<string, unknown>): Record<string, unknown> {
  return Object.keys(value).length === 0 ? {} : { [name]: value };
}
