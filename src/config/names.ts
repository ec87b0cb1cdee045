import { closest, distance } from 'fastest-levenshtein';

const CAMEL = /^[a-z][a-zA-Z0-9]*$/;
const SEPARATED = /^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+$/;

/**
 * The camelCase name that a key stands for: `local-epochs`, `local_epochs` and `localEpochs` are one key.
 * A text that is none of the three spellings comes back as it is, and is then an unknown key.
 */
export function toCamel(key: string): string {
  if (CAMEL.test(key) || !SEPARATED.test(key)) return key;
  return key.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The kebab-case spelling of a camelCase key, as files and messages show it. */
export function toKebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A dotted path in kebab-case: `['update', 'pipeline', 1, 'clip']` is `update.pipeline[1].clip`. */
export function dottedPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += `${text === '' ? '' : '.'}${toKebab(String(part))}`;
  }
  return text;
}

/** How a language spells its keys: which spellings are one key, and how a path of keys is shown. */
export interface KeyStyle {
  canonical(key: string): string;
  path(path: readonly PropertyKey[]): string;
}

/** Run configurations: three spellings of a key are one, kebab-case in messages. */
export const CONFIG_KEYS: KeyStyle = { canonical: toCamel, path: dottedPath };

/** Languages whose keys are what is written, as merge recipes in snake_case. */
export const VERBATIM_KEYS: KeyStyle = { canonical: (key) => key, path: verbatimPath };

/** A dotted path with keys as written: `models[1].parameters.weight`. */
export function verbatimPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += `${text === '' ? '' : '.'}${String(part)}`;
  }
  return text;
}

/**
 * The candidate nearest to a mistyped name, or undefined if none is near: at most two edits, or a third of the
 * letters in a long name.
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const best = closest(name.toLowerCase(), candidates);
  const edits = distance(name.toLowerCase(), best);
  return edits <= Math.max(2, Math.floor(best.length / 3)) && edits < best.length ? best : undefined;
}
