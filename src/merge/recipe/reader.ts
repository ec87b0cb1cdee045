/** Reading typed values out of a YAML tree, collecting what is wrong with places and mends. */
import type { Origin } from '../../config/errors.js';
import { nearest, verbatimPath } from '../../config/names.js';
import type { ConfigNode, MapNode, Path } from '../../config/tree.js';
import { describe } from '../../errors.js';
import type { PlanErrorClass, RecipeProblem } from '../errors.js';

export interface RecipeReader {
  readonly problems: RecipeProblem[];
  readonly warnings: string[];
  /** Reproduces the reference tool: unknown keys are warnings. */
  readonly strict: boolean;
}

export function refuse(
  reader: RecipeReader,
  className: PlanErrorClass,
  origin: Origin,
  path: Path,
  message: string,
  hint: string,
): void {
  const { source, line, column } = origin;
  reader.problems.push({ className, source, line, column, path: verbatimPath(path), message, hint });
}

/** The map at a node; unknown keys are refused (in strict mode: noted) with the nearest known one. */
export function readMap(
  reader: RecipeReader,
  node: ConfigNode,
  path: Path,
  keys: readonly string[],
): MapNode | undefined {
  if (node.kind !== 'map') {
    refuse(
      reader,
      'bad_recipe',
      node.origin,
      path,
      `is ${show(node)} but must be a map with ${keys.join(', ')}`,
      `write it as a map with the keys ${keys.join(', ')}`,
    );
    return undefined;
  }
  for (const entry of node.entries.values()) {
    if (keys.includes(entry.key)) continue;
    const near = nearest(entry.key, keys);
    if (reader.strict) {
      const { source, line = 1, column = 1 } = entry.keyOrigin;
      reader.warnings.push(
        `${source}:${line}:${column}: unknown key ${verbatimPath([...path, entry.key])} is ignored` +
          (near === undefined ? '' : `; did you mean "${near}"?`),
      );
    } else
      refuse(
        reader,
        'unknown_key',
        entry.keyOrigin,
        [...path, entry.key],
        'is not a key of recipes here',
        near === undefined ? `remove it; known keys: ${keys.join(', ')}` : `did you mean "${near}"?`,
      );
  }
  return node;
}

/** The node of a key; one that is absent or null is undefined. */
export function child(map: MapNode, key: string): ConfigNode | undefined {
  const node = map.entries.get(key)?.node;
  return node?.kind === 'leaf' && (node.value === null || node.value === undefined) ? undefined : node;
}

export function readText(reader: RecipeReader, node: ConfigNode | undefined, path: Path): string | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'leaf' && typeof node.value === 'string' && node.value !== '') return node.value;
  if (node.kind === 'leaf' && typeof node.value === 'number') return String(node.value);
  refuse(reader, 'bad_recipe', node.origin, path, `is ${show(node)} but must be text`, 'write a text');
  return undefined;
}

export function readInteger(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
  min: number,
): number | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'leaf' && Number.isSafeInteger(node.value) && (node.value as number) >= min)
    return node.value as number;
  refuse(
    reader,
    'bad_recipe',
    node.origin,
    path,
    `is ${show(node)} but must be an integer of at least ${min}`,
    'write an integer',
  );
  return undefined;
}

export function readBoolean(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): boolean | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'leaf' && typeof node.value === 'boolean') return node.value;
  refuse(
    reader,
    'bad_recipe',
    node.origin,
    path,
    `is ${show(node)} but must be true or false`,
    'write true or false',
  );
  return undefined;
}

/** The items of a list; one that is absent or empty is undefined. */
export function readList(
  reader: RecipeReader,
  node: ConfigNode | undefined,
  path: Path,
): readonly ConfigNode[] | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'list') return node.items.length > 0 ? node.items : undefined;
  refuse(reader, 'bad_recipe', node.origin, path, `is ${show(node)} but must be a list`, 'write a list');
  return undefined;
}

export function show(node: ConfigNode): string {
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'list') return `a list of ${node.items.length}`;
  return describe(node.value);
}
