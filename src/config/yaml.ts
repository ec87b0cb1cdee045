import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
} from 'yaml';
import type { ConfigProblem, Origin } from './errors.js';
import { CONFIG_KEYS, type KeyStyle } from './names.js';
import { addEntry, type ConfigNode, emptyMap, type MapNode, type Path } from './tree.js';

/** Longest configuration text that is read, in UTF-16 units; a real one has a few thousand. */
export const MAX_CONFIG_LENGTH = 1 << 20;
const MAX_DEPTH = 32;
/** Guards against documents that multiply themselves through anchors. */
const MAX_NODES = 100_000;

/** Reads a document as `parseYamlValue` does; an empty one is an empty map. */
export function parseYaml(text: string, source: string, problems: ConfigProblem[]): ConfigNode {
  const node = parseYamlValue(text, source, problems);
  return node.kind === 'leaf' && node.value === null ? emptyMap(node.origin) : node;
}

/**
 * Reads YAML 1.2 or JSON (a subset of it) into a tree that remembers lines and columns.
 * Problems of syntax, of keys written twice and of size are added to `problems`; the tree is then partial.
 */
export function parseYamlValue(text: string, source: string, problems: ConfigProblem[]): ConfigNode {
  const whole: Origin = { source, line: 1, column: 1 };
  const [first, second] = parseYamlDocuments(text, source, problems);
  if (second !== undefined) {
    problems.push({
      ...second.origin,
      path: '',
      message: 'holds more than one YAML document',
      hint: 'remove the second `---`',
    });
    return emptyMap(whole);
  }
  return first?.node ?? emptyMap(whole);
}

export interface YamlDocument {
  readonly node: ConfigNode;
  /** Where the document begins. */
  readonly origin: Origin;
}

/**
 * Reads all documents of a YAML text, as `parseYamlValue` reads one. Merge keys (`<<: *anchor`) are merged.
 *
 * @param keys - which spellings are one key. Default: those of run configurations.
 */
export function parseYamlDocuments(
  text: string,
  source: string,
  problems: ConfigProblem[],
  keys: KeyStyle = CONFIG_KEYS,
): YamlDocument[] {
  const whole: Origin = { source, line: 1, column: 1 };
  const refuse = (message: string, hint: string, origin: Origin = whole): YamlDocument[] => {
    problems.push({ ...origin, path: '', message, hint });
    return [];
  };
  if (text.length > MAX_CONFIG_LENGTH)
    return refuse(
      `holds ${text.length} characters, more than ${MAX_CONFIG_LENGTH}`,
      'is this the right file?',
    );
  if (nestsTooDeep(text)) return refuse(`nests deeper than ${MAX_DEPTH} levels`, 'is this the right file?');

  const lineCounter = new LineCounter();
  let documents: ReturnType<typeof parseAllDocuments>;
  try {
    documents = parseAllDocuments(text, { lineCounter, uniqueKeys: false, prettyErrors: false });
  } catch (error) {
    // The parser recurses once a level; block lists of thousands of levels are not bracketed, so not counted above.
    if (error instanceof RangeError) return refuse('is nested too deeply', 'is this the right file?');
    throw error;
  }
  if (!Array.isArray(documents)) return [];
  const at = (offset: number): Origin => {
    const { line, col } = lineCounter.linePos(offset);
    return { source, line, column: col };
  };
  return documents.map((document) => {
    const origin = at(document.range?.[0] ?? 0);
    if (document.errors.length === 0)
      return { node: convertDocument(document, at, whole, problems, keys), origin };
    for (const error of document.errors)
      refuse(`is not valid YAML: ${error.message}`, 'mend the syntax at this place', at(error.pos[0]));
    return { node: emptyMap(whole), origin };
  });
}

function convertDocument(
  document: Document,
  at: (offset: number) => Origin,
  whole: Origin,
  problems: ConfigProblem[],
  keys: KeyStyle,
): ConfigNode {
  let nNodes = 0;
  const convert = (raw: Node | null | undefined, path: Path, fallback: Origin): ConfigNode => {
    const range = (raw as ParsedNode | null | undefined)?.range;
    const origin = range ? at(range[0]) : fallback;
    nNodes += 1;
    if (nNodes > MAX_NODES || path.length > MAX_DEPTH) {
      if (nNodes !== Number.POSITIVE_INFINITY)
        problems.push({
          ...origin,
          path: '',
          message: 'is nested too deeply or repeats itself through anchors',
          hint: 'write the values out',
        });
      nNodes = Number.POSITIVE_INFINITY;
      return { kind: 'leaf', value: null, origin };
    }
    if (isAlias(raw)) return convert(raw.resolve(document), path, origin);
    if (isSeq(raw)) {
      const items = raw.items.map((item, i) => convert(item as Node, [...path, i], origin));
      return { kind: 'list', items, origin };
    }
    if (isMap(raw)) {
      const map = emptyMap(origin);
      const inherited: ConfigNode[] = [];
      for (const pair of raw.items) {
        const keyNode = pair.key as ParsedNode | null;
        const key = isScalar(keyNode) ? String(keyNode.value) : '?';
        const keyOrigin = keyNode?.range ? at(keyNode.range[0]) : origin;
        const node = convert(pair.value as Node | null, [...path, keys.canonical(key)], keyOrigin);
        if (key === '<<' && node.kind !== 'leaf') inherited.push(node);
        else addEntry(map, { key, keyOrigin, node }, path, problems, keys);
      }
      for (const node of inherited) inherit(map, node);
      return map;
    }
    return { kind: 'leaf', value: isScalar(raw) ? raw.value : null, origin };
  };
  return convert(document.contents as Node | null, [], whole);
}

/** Adds what a merge key brings; keys that are written out win, and earlier maps of a list win over later. */
function inherit(map: MapNode, node: ConfigNode): void {
  if (node.kind === 'list') for (const item of node.items) inherit(map, item);
  if (node.kind !== 'map') return;
  for (const [name, entry] of node.entries) if (!map.entries.has(name)) map.entries.set(name, entry);
}

/** Counts open brackets before the recursive parser sees them: thousands would exhaust its stack. */
function nestsTooDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > MAX_DEPTH * 4) return true;
  }
  return false;
}
