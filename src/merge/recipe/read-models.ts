import { verbatimPath } from '../../config/names.js';
import type { ConfigNode, Path } from '../../config/tree.js';
import { type ModelReference, makeReference, normalisePath, parseModelReference } from './model-reference.js';
import { readParameters } from './read-parameters.js';
import { child, type RecipeReader, readList, readMap, readText, refuse, show } from './reader.js';
import type { MergeInputs, ModelEntry, OutputSlice, SliceSource } from './recipe.js';

/** A text, or {model: {path, revision}, lora, override_architecture}. */
export function readReference(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): ModelReference | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'leaf' && typeof node.value === 'string') {
    const reference = parseModelReference(node.value);
    if (typeof reference !== 'string') return reference;
    refuse(
      reader,
      'bad_model_reference',
      node.origin,
      path,
      `is ${show(node)}, which ${reference}`,
      'write path[@revision][+lora_path[@revision]]',
    );
    return undefined;
  }
  if (node.kind !== 'map') {
    refuse(
      reader,
      'bad_model_reference',
      node.origin,
      path,
      `is ${show(node)} but must name a model`,
      'write the path of a model',
    );
    return undefined;
  }
  const map = readMap(reader, node, path, ['model', 'lora', 'override_architecture']);
  if (map === undefined) return undefined;
  const model = readModelPath(reader, child(map, 'model'), [...path, 'model']);
  const lora = readModelPath(reader, child(map, 'lora'), [...path, 'lora']);
  const architecture = readText(reader, child(map, 'override_architecture'), [
    ...path,
    'override_architecture',
  ]);
  if (model === undefined) {
    if (child(map, 'model') === undefined)
      refuse(reader, 'bad_model_reference', node.origin, path, 'names no model', 'add `model: {path: ...}`');
    return undefined;
  }
  return makeReference(model, lora, architecture);
}

function readModelPath(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): { path: string; revision?: string } | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'leaf') {
    const reference = readReference(reader, node, path);
    if (reference === undefined) return undefined;
    return { path: reference.path, ...(reference.revision && { revision: reference.revision }) };
  }
  const map = readMap(reader, node, path, ['path', 'revision']);
  if (map === undefined) return undefined;
  const text = readText(reader, child(map, 'path'), [...path, 'path']);
  const revision = readText(reader, child(map, 'revision'), [...path, 'revision']);
  if (text === undefined) {
    refuse(reader, 'bad_model_reference', node.origin, path, 'has no path', 'add `path: ...`');
    return undefined;
  }
  return { path: normalisePath(text), ...(revision !== undefined && { revision }) };
}

/** `models` and `slices` of a recipe or module. */
export function readInputs(
  reader: RecipeReader,
  models: ConfigNode | undefined,
  slices: ConfigNode | undefined,
  path: Path,
): MergeInputs {
  const entries = readList(reader, models, [...path, 'models'])?.map((item, i) =>
    readEntry(reader, item, [...path, 'models', i]),
  );
  const outputs = readList(reader, slices, [...path, 'slices'])?.map((item, i) =>
    readSlice(reader, item, [...path, 'slices', i]),
  );
  return {
    ...(entries && { models: entries.filter((entry) => entry !== undefined) }),
    ...(outputs && { slices: outputs.filter((slice) => slice !== undefined) }),
  };
}

function readEntry(reader: RecipeReader, node: ConfigNode, path: Path): ModelEntry | undefined {
  const map = readMap(reader, node, path, ['model', 'parameters']);
  if (map === undefined) return undefined;
  const model = readReference(reader, child(map, 'model'), [...path, 'model']);
  const parameters = readParameters(reader, child(map, 'parameters'), [...path, 'parameters']);
  if (model === undefined) {
    if (child(map, 'model') === undefined) missingModel(reader, node, path);
    return undefined;
  }
  return { model, parameters, path: verbatimPath(path) };
}

function readSlice(reader: RecipeReader, node: ConfigNode, path: Path): OutputSlice | undefined {
  const map = readMap(reader, node, path, ['sources', 'base_model', 'parameters', 'residual_weight']);
  if (map === undefined) return undefined;
  if (child(map, 'residual_weight') !== undefined)
    reader.warnings.push(`${verbatimPath([...path, 'residual_weight'])} has no effect`);
  const items = readList(reader, child(map, 'sources'), [...path, 'sources']);
  if (items === undefined)
    refuse(
      reader,
      'bad_recipe',
      node.origin,
      [...path, 'sources'],
      'is missing or empty',
      'list its sources',
    );
  const sources = (items ?? [])
    .map((item, i) => readSource(reader, item, [...path, 'sources', i]))
    .filter((source) => source !== undefined);
  const lengths = sources.map(({ layerRange: [start, end] }) => end - start);
  if (new Set(lengths).size > 1)
    refuse(
      reader,
      'slice_length_mismatch',
      node.origin,
      [...path, 'sources'],
      `have ${lengths.join(', ')} layers`,
      'give all sources of a slice ranges of one length',
    );
  const baseModel = readReference(reader, child(map, 'base_model'), [...path, 'base_model']);
  return {
    sources,
    ...(baseModel && { baseModel }),
    parameters: readParameters(reader, child(map, 'parameters'), [...path, 'parameters']),
    path: verbatimPath(path),
  };
}

function readSource(reader: RecipeReader, node: ConfigNode, path: Path): SliceSource | undefined {
  const map = readMap(reader, node, path, ['model', 'layer_range', 'parameters']);
  if (map === undefined) return undefined;
  const model = readReference(reader, child(map, 'model'), [...path, 'model']);
  const parameters = readParameters(reader, child(map, 'parameters'), [...path, 'parameters']);
  const range = child(map, 'layer_range');
  const values = range?.kind === 'list' ? range.items.map((item) => item.kind === 'leaf' && item.value) : [];
  const [start, end] = values;
  const valid =
    values.length === 2 &&
    typeof start === 'number' &&
    typeof end === 'number' &&
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(end) &&
    start >= 0 &&
    start < end;
  if (!valid)
    refuse(
      reader,
      'bad_layer_range',
      range?.origin ?? node.origin,
      [...path, 'layer_range'],
      `is ${range === undefined ? 'missing' : values.length > 0 ? `[${values.join(', ')}]` : show(range)}`,
      'write [start, end] with 0 <= start < end; the end is not included',
    );
  if (model === undefined && child(map, 'model') === undefined) missingModel(reader, node, path);
  if (model === undefined || !valid) return undefined;
  return { model, parameters, path: verbatimPath(path), layerRange: [start, end] };
}

function missingModel(reader: RecipeReader, node: ConfigNode, path: Path): void {
  refuse(reader, 'bad_model_reference', node.origin, [...path, 'model'], 'is missing', 'name the model');
}
