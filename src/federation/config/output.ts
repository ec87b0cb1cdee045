import { stringify } from 'yaml';
import { toKebab } from '../../config/names.js';
import { sha256Hex } from '../../platform/hash.js';
import { resolveOptions, resolveTask } from './resolve.js';
import type { SimulateConfig } from './schema.js';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Keys that do not change results: names, folders, threads, metric files and the report. */
const UNHASHED = ['run.name', 'run.dir', 'data.root', 'backend.workers', 'log', 'report'] as const;

/**
 * SHA-256 of what determines the results of a run, in hex: the resolved configuration as JSON with sorted keys,
 * without names, folders, workers, logging and report. Objects passed in TypeScript enter by name only.
 */
export async function configHash(config: SimulateConfig): Promise<string> {
  const pruned = structuredClone(config) as unknown as { [key: string]: Json };
  for (const path of UNHASHED) remove(pruned, path.split('.'));
  if (config.data.source !== undefined)
    (pruned.data as { [key: string]: Json }).source = config.data.source.format;
  return sha256Hex(new TextEncoder().encode(canonicalJson(pruned)));
}

function remove(tree: { [key: string]: Json }, path: readonly string[]): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  const below = tree[head];
  if (rest.length === 0) delete tree[head];
  else if (typeof below === 'object' && below !== null && !Array.isArray(below)) remove(below, rest);
}

function canonicalJson(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `{${keys
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
    .join(',')}}`;
}

/** The resolved configuration as YAML in kebab-case; reading it again gives an equal configuration. */
export function toResolvedYaml(config: SimulateConfig): string {
  return stringify(kebabKeys(config), { lineWidth: 0, aliasDuplicateObjects: false });
}

function kebabKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(kebabKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [toKebab(key), kebabKeys(item)]));
}

/** One key whose value differs from the default; an absent side is undefined. */
export interface ConfigDifference {
  /** Dotted kebab-case path; lists count as one value. */
  readonly path: string;
  readonly value: unknown;
  readonly default: unknown;
}

/** What a configuration changes against the defaults of its task, or of a run without a task. */
export function differencesFromDefaults(config: SimulateConfig): ConfigDifference[] {
  const base = config.data.task === undefined ? defaultsWithoutTask() : resolveTask(config.data.task).config;
  const differences: ConfigDifference[] = [];
  compare(config, base, '', differences);
  return differences;
}

/** Without a task there is no default for data and model: all of theirs counts as a difference. */
function defaultsWithoutTask(): unknown {
  const source = { format: 'idx', images: '-', labels: '-', testImages: '-', testLabels: '-' } as const;
  const { config } = resolveOptions({ data: { source }, model: { type: 'softmax-regression' } });
  const { model: _model, ...rest } = config;
  return { ...rest, data: { ...config.data, source: undefined } };
}

function compare(value: unknown, base: unknown, path: string, out: ConfigDifference[]): void {
  if (isMap(value) && (isMap(base) || base === undefined)) {
    const below = base ?? {};
    for (const key of new Set([...Object.keys(value), ...Object.keys(below)]))
      compare(value[key], below[key], path === '' ? toKebab(key) : `${path}.${toKebab(key)}`, out);
    return;
  }
  if (canonicalJson(value as Json | undefined) === canonicalJson(base as Json | undefined)) return;
  out.push({ path, value: kebabKeys(value), default: kebabKeys(base) });
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
