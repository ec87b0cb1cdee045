/**
 * The data-flow space: which layers run, in which order, how often (arXiv 2403.13187, section 3.2). All layers of all models stand in
 * one row of M; the row is repeated r times, and an indicator above 0 switches a slot on. W scales what flows from layer to layer.
 */
import { SearchError } from './errors.js';
import { type Genome, isGenotype, type RecipeValue } from './genome.js';

export interface LayerPath {
  /** Layers of the row, in order of execution. */
  readonly layers: readonly number[];
  /** Factor on the input of each; the first has 1. */
  readonly inputScales: readonly number[];
}

/**
 * @param indicator - one a slot, M r of them; slot t holds layer t mod M.
 * @param scales - row-major [M, M]: from layer, to layer.
 */
export function decodeLayerPath(
  indicator: ArrayLike<number>,
  scales: ArrayLike<number>,
  layers: number,
): LayerPath {
  const path = Array.from({ length: indicator.length }, (_, t) => t)
    .filter((t) => indicator[t] > 0)
    .map((t) => t % layers);
  return {
    layers: path,
    inputScales: path.map((layer, k) => (k === 0 ? 1 : scales[path[k - 1] * layers + layer])),
  };
}

export interface DataflowGenomeOptions {
  /** Their layers form the row. Embedding, final norm and head come from the first model. */
  readonly models: readonly { readonly model: string; readonly layers: number }[];
  /** How often the row is repeated, at least 1. Default: 1. */
  readonly repeats?: number;
  /**
   * Search for the factors between layers too. No weight can hold them: the recipe names them as `merge_input_scales`, which go into the
   * merged model's config.json, and the runtime has to apply them. Default: false.
   */
  readonly scales?: boolean;
  /** Longest path that counts as valid. Default: no limit. */
  readonly maxLayers?: number;
  readonly dtype?: string;
  readonly outDtype?: string;
}

/**
 * Starts at the first model as it is: its own layers on in the first repetition (0.5 against -0.5), every factor 1.
 *
 * @throws {SearchError} without layers.
 */
export function dataflowGenome(options: DataflowGenomeOptions): Genome {
  const { models, repeats = 1, scales = false, maxLayers = Number.POSITIVE_INFINITY } = options;
  const owners = models.flatMap(({ model, layers }) =>
    Array.from({ length: layers }, (_, layer) => ({ model, layer })),
  );
  const M = owners.length;
  if (M === 0 || !models.every(({ layers }) => Number.isInteger(layers) && layers > 0))
    throw new SearchError(
      'the data-flow genome has a model without layers',
      'give each model its number of layers',
    );
  if (!Number.isInteger(repeats) || repeats < 1)
    throw new SearchError(`repeats is ${repeats}`, 'give a whole number of at least 1');
  const slots = M * repeats;
  const size = slots + (scales ? M * M : 0);
  const ones = new Array<number>(M * M).fill(1);
  return {
    size,
    start: Array.from({ length: size }, (_, i) => (i >= slots ? 1 : i < models[0].layers ? 0.5 : -0.5)),
    randomInit: false,
    definition: { kind: 'dataflow', ...options },
    decode(genotype) {
      if (!isGenotype(genotype, size)) return undefined;
      const all = Array.from(genotype);
      const path = decodeLayerPath(all.slice(0, slots), scales ? all.slice(slots) : ones, M);
      if (path.layers.length === 0 || path.layers.length > maxLayers) return undefined;
      return {
        ...passthrough(
          path.layers.map((layer) => owners[layer]),
          options,
        ),
        ...(scales ? { merge_input_scales: path.inputScales } : {}),
      };
    },
  };
}

/** Slices of consecutive layers of one model, copied. */
function passthrough(
  path: readonly { readonly model: string; readonly layer: number }[],
  { models: [{ model: outside }], dtype, outDtype }: DataflowGenomeOptions,
): RecipeValue {
  const runs: { model: string; layer_range: [number, number] }[] = [];
  for (const { model, layer } of path) {
    const last = runs.at(-1);
    if (last?.model === model && last.layer_range[1] === layer) last.layer_range[1] = layer + 1;
    else runs.push({ model, layer_range: [layer, layer + 1] });
  }
  return {
    merge_method: 'passthrough',
    slices: runs.map((source) => ({ sources: [source] })),
    ...([runs[0], runs[runs.length - 1]].every(({ model }) => model === outside)
      ? {}
      : { outside_layers: outside }),
    ...(dtype === undefined ? {} : { dtype }),
    ...(outDtype === undefined ? {} : { out_dtype: outDtype }),
  };
}
