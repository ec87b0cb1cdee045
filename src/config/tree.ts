import type { ConfigProblem, Origin } from './errors.js';
import { CONFIG_KEYS, type KeyStyle, toCamel } from './names.js';

/**
 * A configuration before it is checked: plain values that remember where each was written. Keys are canonical
 * (camelCase in run configurations), so layers with different spellings merge.
 */
export type ConfigNode = MapNode | ListNode | LeafNode;

export interface MapNode {
  readonly kind: 'map';
  readonly entries: Map<string, MapEntry>;
  readonly origin: Origin;
}

export interface MapEntry {
  /** The key as written. */
  readonly key: string;
  readonly keyOrigin: Origin;
  readonly node: ConfigNode;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: ConfigNode[];
  readonly origin: Origin;
}

export interface LeafNode {
  readonly kind: 'leaf';
  /** A scalar, or an object or function that TypeScript code passed. */
  readonly value: unknown;
  readonly origin: Origin;
}

export type Path = readonly (string | number)[];

export function emptyMap(origin: Origin): MapNode {
  return { kind: 'map', entries: new Map(), origin };
}

/** Adds a key to a map; a second spelling of a key that is there already is a problem naming both. */
export function addEntry(
  map: MapNode,
  entry: MapEntry,
  path: Path,
  problems: ConfigProblem[],
  keys: KeyStyle = CONFIG_KEYS,
): void {
  const name = keys.canonical(entry.key);
  const before = map.entries.get(name);
  if (before !== undefined) {
    problems.push({
      ...entry.keyOrigin,
      path: keys.path([...path, name]),
      message: `is given twice, as "${before.key}"${lineOf(before.keyOrigin)} and as "${entry.key}"`,
      hint: `keep one of the two; all spellings of ${keys.path([name])} are the same key`,
    });
    return;
  }
  map.entries.set(name, entry);
}

function lineOf(origin: Origin): string {
  return origin.line === undefined ? '' : ` (line ${origin.line})`;
}

/** Whether a value is a map of options, not an object with behaviour or bulk data. */
export function isPlainMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return !Object.values(value).some((item) => typeof item === 'function' || ArrayBuffer.isView(item));
}

const MAX_DEPTH = 32;

/** The tree of a value given in code. Objects that are not plain maps stay whole, as leaves. */
export function fromValue(
  value: unknown,
  origin: Origin,
  problems: ConfigProblem[],
  path: Path = [],
): ConfigNode {
  if (path.length > MAX_DEPTH) {
    problems.push({
      ...origin,
      path: '',
      message: `is nested deeper than ${MAX_DEPTH} levels`,
      hint: 'flatten it',
    });
    return { kind: 'leaf', value: undefined, origin };
  }
  if (Array.isArray(value)) {
    const items = value.map((item, i) => fromValue(item, origin, problems, [...path, i]));
    return { kind: 'list', items, origin };
  }
  if (!isPlainMap(value)) return { kind: 'leaf', value, origin };
  const map = emptyMap(origin);
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const node = fromValue(item, origin, problems, [...path, toCamel(key)]);
    addEntry(map, { key, keyOrigin: origin, node }, path, problems);
  }
  return map;
}

/** The plain value of a tree, keys in camelCase. */
export function toPlain(node: ConfigNode): unknown {
  if (node.kind === 'leaf') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  // fromEntries defines own properties, so a key called `__proto__` stays an ordinary (unknown) key.
  return Object.fromEntries([...node.entries].map(([name, entry]) => [name, toPlain(entry.node)]));
}

/** `over` laid on `base`: maps merge key by key, everything else is replaced. Neither is changed. */
export function mergeTrees(base: ConfigNode, over: ConfigNode): ConfigNode {
  if (base.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(base.entries);
  for (const [name, entry] of over.entries) {
    const below = entries.get(name);
    entries.set(name, below === undefined ? entry : { ...entry, node: mergeTrees(below.node, entry.node) });
  }
  return { kind: 'map', entries, origin: base.origin };
}

/** The node at a path, or undefined. */
export function nodeAt(root: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const part of path) {
    if (node === undefined) return undefined;
    if (node.kind === 'map') node = node.entries.get(String(part))?.node;
    else if (node.kind === 'list' && typeof part === 'number') node = node.items[part];
    else return undefined;
  }
  return node;
}

/** A copy of the tree with a node put at `path`, its key said to stand at `origin`; maps on the way are made, `undefined` removes. */
export function withNode(
  root: ConfigNode,
  path: Path,
  leaf: ConfigNode | undefined,
  origin: Origin,
): ConfigNode {
  const [head, ...rest] = path;
  if (head === undefined) return leaf ?? root;
  if (root.kind === 'list' && typeof head === 'number') {
    const below = root.items[head] ?? emptyMap(origin);
    const items = [...root.items];
    if (rest.length === 0 && leaf === undefined) {
      items.splice(head, 1);
      return { ...root, items };
    }
    items[head] = withNode(below, rest, leaf, origin);
    return { ...root, items };
  }
  const name = String(head);
  const map = root.kind === 'map' ? root : emptyMap(origin);
  const entries = new Map(map.entries);
  if (rest.length === 0 && leaf === undefined) {
    entries.delete(name);
    return { ...map, entries };
  }
  const before = entries.get(name);
  const node = withNode(before?.node ?? emptyMap(origin), rest, leaf, origin);
  entries.set(name, {
    key: before?.key ?? name,
    keyOrigin: rest.length === 0 ? origin : (before?.keyOrigin ?? origin),
    node,
  });
  return { ...map, entries };
}

/** Where the value at a path was written, or the nearest part above it. */
export function originAt(root: ConfigNode, path: readonly PropertyKey[]): Origin {
  let node: ConfigNode = root;
  let origin = root.origin;
  for (const part of path) {
    if (node.kind === 'map') {
      const entry = node.entries.get(String(part));
      if (entry === undefined) break;
      origin = entry.keyOrigin;
      node = entry.node;
    } else if (node.kind === 'list') {
      const item: ConfigNode | undefined = node.items[Number(part)];
      if (item === undefined) break;
      origin = item.origin;
      node = item;
    } else break;
  }
  return origin;
}
