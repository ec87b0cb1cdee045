/** Which output tensors a recipe asks for, and from which tensor of which model each comes: layers, slices and modules. */
import type { MergeMethod } from '../../combine/merge/method.js';
import {
  type Architecture,
  isInTemplate,
  layersOf,
  nameAt,
  placeOf,
  stacksOf,
  type TensorPlace,
  traitsOf,
  type WeightTraits,
} from '../architecture/architecture.js';
import { MergeError } from '../errors.js';
import type { ModelReference } from '../recipe/model-reference.js';
import { layerPosition, NO_PARAMETERS, type Parameters } from '../recipe/parameter-value.js';
import type { MergeInputs, ModelEntry, OutputSlice, Recipe, SliceSource } from '../recipe/recipe.js';
import { type ModelFacts, numberOf } from './sources.js';

export interface SlotSource {
  readonly model: string;
  readonly tensor: string;
  readonly parameters: Parameters;
}

/** An output tensor before anything is looked up. */
export interface TensorSlot {
  readonly name: string;
  readonly traits: WeightTraits;
  /** A known architecture says that every model has it. */
  readonly required: boolean;
  /** A known architecture has no place for it. */
  readonly foreign: boolean;
  readonly position: number;
  readonly sources: readonly SlotSource[];
  /** Index of the base among the sources, or -1. */
  readonly base: number;
  readonly shared: readonly Parameters[];
}

export interface SlotContext {
  readonly recipe: Recipe;
  readonly method: MergeMethod;
  readonly models: ReadonlyMap<string, ModelFacts>;
  readonly architecture: Architecture;
}

interface NormalSlice {
  readonly path: string;
  readonly entries: readonly (ModelEntry | SliceSource)[];
  readonly base: ModelReference | undefined;
  readonly shared: readonly Parameters[];
}

/** Slots of one module (or of the whole recipe), and the number of layers that its slices make, if it has slices. */
export function slotsOf(
  context: SlotContext,
  inputs: MergeInputs,
  moduleParameters: readonly Parameters[],
  belongs: (name: string) => boolean,
): { slots: TensorSlot[]; layers?: number } {
  const shared = [...moduleParameters, context.recipe.parameters];
  if (inputs.models !== undefined) {
    const slice = wholeModels(context, inputs.models, shared);
    checkCounts(context, slice);
    return { slots: wholeSlots(context, slice, belongs) };
  }
  const slices = (inputs.slices ?? []).map((slice) => outputSlice(context, slice, shared));
  for (const slice of slices) checkCounts(context, slice);
  // Slices ask for layers: the numbers in names tell them, with a configuration or without.
  return slicedSlots({ ...context, architecture: { ...context.architecture, raw: false } }, slices, belongs);
}

function wholeModels(
  { recipe }: SlotContext,
  models: readonly ModelEntry[],
  shared: readonly Parameters[],
): NormalSlice {
  const base = recipe.baseModel;
  const listed = base === undefined || models.some(({ model }) => model.text === base.text);
  const entries = listed
    ? models
    : [...models, { model: base, parameters: NO_PARAMETERS, path: 'base_model' }];
  return { path: 'models', entries, base, shared };
}

function outputSlice(
  { recipe }: SlotContext,
  slice: OutputSlice,
  shared: readonly Parameters[],
): NormalSlice {
  return {
    path: slice.path,
    entries: slice.sources,
    base: slice.baseModel ?? recipe.baseModel,
    shared: [slice.parameters, ...shared],
  };
}

/** Methods for which a base is one more model, weight and all. */

export function isBaseAModel({ base }: MergeMethod): boolean {
  return base === 'none' || base === 'model';
}

function baseIndex(method: MergeMethod, slice: NormalSlice): number {
  if (isBaseAModel(method) || slice.base === undefined) return -1;
  const { text } = slice.base;
  return slice.entries.findIndex(({ model }) => model.text === text);
}

function checkCounts({ method }: SlotContext, slice: NormalSlice): void {
  const base = baseIndex(method, slice);
  if (method.base === 'required' && base < 0)
    throw new MergeError(
      'missing_base_model',
      slice.base === undefined
        ? `${method.name} needs a base model`
        : `${slice.path}: the base ${slice.base.text} is not among the sources`,
      slice.base === undefined
        ? 'add `base_model:` with the common ancestor of the models'
        : 'list the base among the sources of the slice, with its layer_range',
      { recipePath: slice.base === undefined ? 'base_model' : slice.path },
    );
  const count = slice.entries.length - (base < 0 ? 0 : 1);
  const { min, max = Number.POSITIVE_INFINITY } = method.models;
  if (count >= min && count <= max) return;
  const wanted = min === max ? `exactly ${min}` : count < min ? `at least ${min}` : `at most ${max}`;
  throw new MergeError(
    count < min ? 'too_few_models' : 'too_many_models',
    `${slice.path}: ${method.name} merges ${wanted} model${(count < min ? min : max) === 1 ? '' : 's'}` +
      `${method.base === 'none' ? '' : ' besides the base'}, got ${count}`,
    method.base === 'none' && slice.base !== undefined && count > max
      ? `${method.name} has no base: an unlisted base_model counts as one more model, remove it`
      : `list ${wanted}`,
    { recipePath: slice.path, expected: min === max ? min : [min, max], actual: count },
  );
}

function factsOf({ models }: SlotContext, reference: ModelReference): ModelFacts {
  const facts = models.get(reference.text);
  if (facts === undefined)
    throw new MergeError('bad_model_reference', `${reference.text} was not opened`, 'open every model', {
      model: reference.text,
    });
  return facts;
}

/** Distinct places of the tensors of all entries: first seen first, a known architecture's own ones included. */
function placesOf(
  context: SlotContext,
  slice: NormalSlice,
  belongs: (name: string) => boolean,
): TensorPlace[] {
  const { raw, known } = context.architecture;
  const seen = new Map<string, TensorPlace>();
  for (const { model } of slice.entries)
    for (const name of factsOf(context, model).tensors.keys())
      if (belongs(name) && !seen.has(name)) seen.set(name, raw ? { layer: 0, rest: name } : placeOf(name));
  for (const rest of [...(known?.pre ?? []), ...(known?.post ?? [])])
    if (belongs(rest) && !seen.has(rest)) seen.set(rest, { layer: 0, rest });
  return [...seen.values()];
}

function makeSlot(
  context: SlotContext,
  slice: NormalSlice,
  place: TensorPlace,
  position: number,
  layerOf: (entry: ModelEntry | SliceSource) => number,
): TensorSlot {
  const { architecture, method } = context;
  const name = nameAt(place);
  const { known } = architecture;
  const traits = traitsOf(architecture, name, place);
  const inTemplate = known !== undefined && isInTemplate(known, place);
  return {
    name,
    traits,
    required: inTemplate && !traits.optional,
    foreign: known !== undefined && !inTemplate,
    position,
    sources: slice.entries.map((entry) => ({
      model: entry.model.text,
      tensor: nameAt(place, layerOf(entry)),
      parameters: entry.parameters,
    })),
    base: baseIndex(method, slice),
    shared: slice.shared,
  };
}

/** Architecture order: what is before the layers, the layers by number, what is behind them. */
function ordered(slots: readonly TensorSlot[], places: ReadonlyMap<string, TensorPlace>): TensorSlot[] {
  const stacks: string[] = [];
  for (const { name } of slots) {
    const stack = places.get(name)?.stack;
    if (stack !== undefined && !stacks.includes(stack)) stacks.push(stack);
  }
  const key = ({ name, traits }: TensorSlot): [number, number, number] => {
    const place = places.get(name);
    if (place?.stack !== undefined) return [1, stacks.indexOf(place.stack), place.layer];
    return [traits.post ? 2 : 0, 0, 0];
  };
  return [...slots].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  });
}

function wholeSlots(
  context: SlotContext,
  slice: NormalSlice,
  belongs: (name: string) => boolean,
): TensorSlot[] {
  const counts = new Map<string, number>();
  for (const { model } of slice.entries)
    for (const [stack, count] of context.architecture.raw ? [] : stacksOf(factsOf(context, model))) {
      const before = counts.get(stack);
      if (before !== undefined && before !== count && belongs(`${stack}.0.`))
        throw new MergeError(
          'slice_length_mismatch',
          `${model.text} has ${count} layers in ${stack} where ${slice.entries[0].model.text} has ${before}`,
          'choose layers with `slices:` and layer_range',
          { model: model.text, expected: before, actual: count },
        );
      counts.set(stack, count);
    }
  const places = placesOf(context, slice, belongs);
  const { known, raw } = context.architecture;
  const layers = known === undefined ? 0 : (counts.get(known.stack) ?? 0);
  if (known !== undefined && !raw) addTemplateLayers(places, known.stack, known.layer, layers, belongs);
  const byName = new Map(places.map((place) => [nameAt(place), place]));
  const slots = places.map((place) => {
    const count = place.stack === undefined ? 0 : (counts.get(place.stack) ?? 1);
    const position = place.stack === undefined ? 0 : layerPosition(place.layer, count);
    return makeSlot(context, slice, place, position, () => place.layer);
  });
  return ordered(slots, byName);
}

function addTemplateLayers(
  places: TensorPlace[],
  stack: string,
  rests: readonly string[],
  layers: number,
  belongs: (name: string) => boolean,
): void {
  const seen = new Set(places.map((place) => nameAt(place)));
  for (let layer = 0; layer < layers; layer++)
    for (const rest of rests) {
      const place = { stack, layer, rest };
      const name = nameAt(place);
      if (!seen.has(name) && belongs(name)) places.push(place);
    }
}

function slicedSlots(
  context: SlotContext,
  slices: readonly NormalSlice[],
  belongs: (name: string) => boolean,
): { slots: TensorSlot[]; layers: number } {
  const stack = mainStack(context, slices, belongs);
  const { outsideLayers: model } = context.recipe;
  const outside: NormalSlice | undefined = model && {
    path: 'outside_layers',
    entries: [{ model, parameters: NO_PARAMETERS, path: 'outside_layers' }],
    base: undefined,
    shared: [context.recipe.parameters],
  };
  const first = outside ?? slices[0];
  const last = outside ?? slices[slices.length - 1];
  const byName = new Map<string, TensorPlace>();
  const slots: TensorSlot[] = [];
  const add = (slot: TensorSlot, place: TensorPlace) => {
    byName.set(slot.name, place);
    slots.push(slot);
  };
  for (const [slice, post] of [
    [first, false],
    [last, true],
  ] as const)
    for (const place of placesOf(context, slice, belongs)) {
      if (place.stack === stack) continue;
      const slot = makeSlot(context, slice, place, 0, () => place.layer);
      if (slot.traits.post === post) add(slot, place);
    }
  let layers = 0;
  for (const slice of slices) {
    const ranges = slice.entries.map((entry) => checkedRange(context, entry, stack));
    const length = ranges[0][1] - ranges[0][0];
    for (let layer = 0; layer < length; layer++) {
      const rests = new Set<string>(
        context.architecture.known?.stack === stack ? context.architecture.known.layer : [],
      );
      slice.entries.forEach(({ model }, k) => {
        const prefix = `${stack}.${ranges[k][0] + layer}.`;
        for (const name of factsOf(context, model).tensors.keys())
          if (name.startsWith(prefix)) rests.add(name.slice(prefix.length));
      });
      for (const rest of rests) {
        const place = { stack, layer: layers, rest };
        const position = layerPosition(layer, length);
        const layerOf = (entry: ModelEntry | SliceSource) => ranges[slice.entries.indexOf(entry)][0] + layer;
        add(makeSlot(context, slice, place, position, layerOf), place);
      }
      layers += 1;
    }
  }
  return { slots: ordered(slots, byName), layers };
}

function checkedRange(
  context: SlotContext,
  entry: ModelEntry | SliceSource,
  stack: string,
): readonly [number, number] {
  const layers = layersOf(factsOf(context, entry.model), stack);
  const range = 'layerRange' in entry ? entry.layerRange : ([0, layers] as const);
  if (range[1] <= layers) return range;
  throw new MergeError(
    'bad_layer_range',
    `${entry.path}: layer_range [${range}] goes beyond the ${layers} layers of ${entry.model.text}`,
    `end the range at ${layers} at most`,
    { model: entry.model.text, recipePath: `${entry.path}.layer_range`, expected: layers, actual: range[1] },
  );
}

/** The stack that slices cut: of a known architecture, else the one whose length the configuration names, else the only one. */
function mainStack(
  context: SlotContext,
  slices: readonly NormalSlice[],
  belongs: (name: string) => boolean,
): string {
  const { known } = context.architecture;
  if (known !== undefined) return known.stack;
  const facts = factsOf(context, slices[0].entries[0].model);
  const stacks = [...stacksOf(facts)].filter(([stack]) => belongs(`${stack}.0.`));
  const named = numberOf(facts.config, 'num_hidden_layers') ?? numberOf(facts.config, 'n_layer');
  const fitting = stacks.filter(([, count]) => count === named);
  const [only, second] = fitting.length > 0 ? fitting : stacks;
  if (only !== undefined && second === undefined) return only[0];
  throw new MergeError(
    'bad_layer_range',
    only === undefined
      ? `${facts.path} has no numbered layers to slice`
      : `${facts.path} has several stacks of layers: ${stacks.map(([stack]) => stack).join(', ')}`,
    only === undefined ? 'merge whole models with `models:`' : 'slice each with `modules:`',
    { model: facts.path },
  );
}
