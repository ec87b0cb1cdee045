import type { ConfigNote, ConfigProblem } from '../../config/errors.js';
import { toCamel } from '../../config/names.js';
import { type ConfigNode, emptyMap, mergeTrees, nodeAt, type Path, withNode } from '../../config/tree.js';
import { parseYaml, parseYamlValue } from '../../config/yaml.js';
import { expandAliases } from './aliases.js';

/** One change on top of a configuration: a value for a path, or a whole fragment. */
export type Override =
  | { readonly kind: 'set'; readonly path: string; readonly value: string }
  | { readonly kind: 'fragment'; readonly text: string; readonly source: string }
  | { readonly kind: 'tree'; readonly tree: ConfigNode };

const ASSIGNMENT = /^\s*([A-Za-z][\w-]*(?:\.[\w-]+|\[\d+\])*)=/;

/** Whether an argument of `-c` sets paths; otherwise it names a fragment file. */
export function isAssignment(argument: string): boolean {
  return ASSIGNMENT.test(argument);
}

/**
 * Splits an argument of `-c`, as `client.lr=0.05 update.pipeline=[]`, into its assignments. A space ends a value
 * only outside quotes and brackets and before another `path=`.
 */
export function parseAssignments(argument: string): Override[] {
  const overrides: Override[] = [];
  let rest = argument;
  for (let match = ASSIGNMENT.exec(rest); match !== null; match = ASSIGNMENT.exec(rest)) {
    rest = rest.slice(match[0].length);
    const end = valueEnd(rest);
    overrides.push({ kind: 'set', path: match[1] ?? '', value: rest.slice(0, end).trim() });
    rest = rest.slice(end);
  }
  return overrides;
}

function valueEnd(text: string): number {
  let depth = 0;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if ((character === '"' || character === "'") && (i === 0 || /[\s,:[{]/.test(text.charAt(i - 1)))) {
      quote = character;
    } else if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    else if (depth <= 0 && /\s/.test(character) && ASSIGNMENT.test(text.slice(i))) return i;
  }
  return text.length;
}

/** Lays an override on a tree. `null` as a value removes the key, so that its default holds again. */
export function applyOverride(
  tree: ConfigNode,
  override: Override,
  problems: ConfigProblem[],
  notes: ConfigNote[],
): ConfigNode {
  if (override.kind === 'tree') return mergeTrees(tree, override.tree);
  if (override.kind === 'fragment') {
    const fragment = parseYaml(override.text, override.source, problems);
    return mergeTrees(tree, expandAliases(fragment, problems, notes));
  }
  const origin = { source: `-c ${override.path}=${override.value}` };
  const path: Path = override.path
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : toCamel(part)));
  const parsed: ConfigProblem[] = [];
  const value =
    override.value === ''
      ? undefined
      : relocated(parseYamlValue(`${override.value}\n`, origin.source, parsed), origin);
  if (parsed.length > 0 || value === undefined) {
    const message = parsed[0]?.message ?? 'has no value';
    problems.push({
      ...origin,
      path: override.path,
      message,
      hint: 'write -c path=value, with the value as in YAML',
    });
    return tree;
  }
  if (path.some((part, i) => typeof part === 'number' && nodeAt(tree, path.slice(0, i + 1)) === undefined)) {
    problems.push({
      ...origin,
      path: override.path,
      message: 'is not an entry of a list in the configuration',
      hint: 'set the whole list, as -c update.pipeline=[{clip: {max-norm: 1.0}}]',
    });
    return tree;
  }
  const isNull = value.kind === 'leaf' && value.value === null;
  if (isNull) return nodeAt(tree, path) === undefined ? tree : withNode(tree, path, undefined, origin);
  if (path.some((part) => typeof part === 'number')) return withNode(tree, path, value, origin);
  const set = withNode(emptyMap(origin), path, value, origin);
  const expanded = expandAliases(set, problems, notes);
  // A mapped name of another tool lands at its own place; a plain key replaces what is there.
  return expanded === set ? withNode(tree, path, value, origin) : mergeTrees(tree, expanded);
}

function relocated(node: ConfigNode, origin: { source: string }): ConfigNode {
  if (node.kind === 'leaf') return { ...node, origin };
  if (node.kind === 'list')
    return { ...node, origin, items: node.items.map((item) => relocated(item, origin)) };
  const entries = new Map(
    [...node.entries].map(([name, entry]) => [
      name,
      { ...entry, keyOrigin: origin, node: relocated(entry.node, origin) },
    ]),
  );
  return { ...node, origin, entries };
}
