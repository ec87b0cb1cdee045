import {
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
import { toCamel } from './names.js';
import { addEntry, type ConfigNode, emptyMap, type Path } from './tree.js';

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
  const refuse = (message: string, hint: string, origin: Origin = whole): ConfigNode => {
    problems.push({ ...origin, path: '', message, hint });
    return emptyMap(whole);
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
  if (!Array.isArray(documents) || documents.length === 0) return emptyMap(whole);
  const [document, second] = documents;
  const at = (offset: number): Origin => {
    const { line, col } = lineCounter.linePos(offset);
    return { source, line, column: col };
  };
  if (second !== undefined)
    return refuse('holds more than one YAML document', 'remove the second `---`', at(second.range?.[0] ?? 0));
  if (document.errors.length > 0) {
    for (const error of document.errors)
      refuse(`is not valid YAML: ${error.message}`, 'mend the syntax at this place', at(error.pos[0]));
    return emptyMap(whole);
  }

  let nNodes = 0;
  const convert = (raw: Node | null | undefined, path: Path, fallback: Origin): ConfigNode => {
    const range = (raw as ParsedNode | null | undefined)?.range;
    const origin = range ? at(range[0]) : fallback;
    nNodes += 1;
    if (nNodes > MAX_NODES || path.length > MAX_DEPTH) {
      if (nNodes !== Number.POSITIVE_INFINITY)
        refuse('is nested too deeply or repeats itself through anchors', 'write the values out', origin);
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
      for (const pair of raw.items) {
        const keyNode = pair.key as ParsedNode | null;
        const key = isScalar(keyNode) ? String(keyNode.value) : '?';
        const keyOrigin = keyNode?.range ? at(keyNode.range[0]) : origin;
        const node = convert(pair.value as Node | null, [...path, toCamel(key)], keyOrigin);
        addEntry(map, { key, keyOrigin, node }, path, problems);
      }
      return map;
    }
    return { kind: 'leaf', value: isScalar(raw) ? raw.value : null, origin };
  };
  const contents = document.contents as Node | null;
  return convert(contents, [], whole);
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
