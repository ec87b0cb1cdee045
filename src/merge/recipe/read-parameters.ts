import { parameterChoices } from '../../combine/merge/parameters.js';
import type { ConfigNode, Path } from '../../config/tree.js';
import {
  type Conditional,
  NO_PARAMETERS,
  type Parameters,
  type ParameterValue,
  type Setting,
} from './parameter-value.js';
import { type RecipeReader, readMap, refuse, show } from './reader.js';

export function readParameters(reader: RecipeReader, node: ConfigNode | undefined, path: Path): Parameters {
  if (node === undefined) return NO_PARAMETERS;
  if (node.kind !== 'map') {
    refuse(
      reader,
      'bad_parameter_setting',
      node.origin,
      path,
      `is ${show(node)} but must be a map of parameters`,
      'write it as `parameters: {name: value}`',
    );
    return NO_PARAMETERS;
  }
  const parameters = new Map<string, ParameterValue>();
  for (const { key, node: value } of node.entries.values()) {
    const read = readValue(reader, value, [...path, key], choicesOf(key));
    if (read !== undefined) parameters.set(key, read);
  }
  return parameters;
}

const choicesOf = (name: string): readonly string[] | undefined =>
  Object.entries(parameterChoices).find(([key]) => key === name)?.[1];

function readValue(
  reader: RecipeReader,
  node: ConfigNode,
  path: Path,
  choices: readonly string[] | undefined,
): ParameterValue | undefined {
  if (node.kind === 'map') {
    bad(reader, node, path, 'is a map outside a list', 'put it into a list: `- {filter: ..., value: ...}`');
    return undefined;
  }
  if (node.kind === 'leaf' || node.items.every((item) => item.kind === 'leaf')) {
    const setting = readSetting(reader, node, path, choices);
    return setting === undefined ? undefined : { kind: 'setting', setting };
  }
  if (!node.items.every((item) => item.kind === 'map')) {
    bad(
      reader,
      node,
      path,
      'mixes numbers and maps in one list',
      'write a gradient of numbers, or a list of {filter, value}',
    );
    return undefined;
  }
  const cases: Conditional[] = [];
  for (const [i, item] of node.items.entries()) {
    const map = readMap(reader, item, [...path, i], ['filter', 'value']);
    const value = map?.entries.get('value')?.node;
    if (map === undefined) continue;
    if (value === undefined) {
      bad(reader, item, [...path, i], 'has no value', 'add `value:` with a number or a gradient');
      continue;
    }
    const setting = readSetting(reader, value, [...path, i, 'value'], choices);
    const filter = map.entries.get('filter')?.node;
    if (
      filter !== undefined &&
      (filter.kind !== 'leaf' || typeof filter.value === 'object') &&
      !isNull(filter)
    )
      bad(reader, filter, [...path, i, 'filter'], `is ${show(filter)}`, 'write a part of the tensor names');
    const text = filter?.kind === 'leaf' && filter.value !== null ? String(filter.value) : undefined;
    if (setting !== undefined)
      cases.push(text === undefined ? { value: setting } : { value: setting, filter: text });
  }
  return { kind: 'conditional', cases };
}

function isNull(node: ConfigNode): boolean {
  return node.kind === 'leaf' && node.value === null;
}

/** Of a parameter with choices: the index of the word. */
function readSetting(
  reader: RecipeReader,
  node: ConfigNode,
  path: Path,
  choices: readonly string[] | undefined,
): Setting | undefined {
  if (choices !== undefined) {
    const index = node.kind === 'leaf' && typeof node.value === 'string' ? choices.indexOf(node.value) : -1;
    if (index >= 0) return index;
    bad(reader, node, path, `is ${show(node)}`, `write one of ${choices.join(', ')}`);
    return undefined;
  }
  if (node.kind === 'map') {
    bad(reader, node, path, 'is a map', 'write a number or a list of numbers');
    return undefined;
  }
  if (node.kind === 'leaf') return readNumber(reader, node, path);
  if (node.items.length === 0) {
    bad(reader, node, path, 'is an empty gradient', 'write at least one number');
    return undefined;
  }
  const numbers = node.items.map((item, i) => readNumber(reader, item, [...path, i]));
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

/** Words that the reference tool's YAML 1.1 reads as booleans. */
const YAML_1_1_BOOLEANS: Readonly<Record<string, number>> = { yes: 1, on: 1, no: 0, off: 0 };

function readNumber(reader: RecipeReader, node: ConfigNode, path: Path): number | undefined {
  if (node.kind === 'leaf') {
    const { value } = node;
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    if (typeof value === 'string') {
      const word = YAML_1_1_BOOLEANS[value.toLowerCase()];
      if (word !== undefined) return word;
      const parsed = /^\s*[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/.test(value)
        ? Number(value.replaceAll('_', ''))
        : Number.NaN;
      if (Number.isFinite(parsed)) return parsed;
    }
  }
  bad(
    reader,
    node,
    path,
    `is ${show(node)} but must be a finite number`,
    'write a number, a list of numbers, or a list of {filter, value}',
  );
  return undefined;
}

function bad(reader: RecipeReader, node: ConfigNode, path: Path, message: string, hint: string): void {
  refuse(reader, 'bad_parameter_setting', node.origin, path, message, hint);
}
