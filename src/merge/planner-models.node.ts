/** Opening the models that a recipe names, from disk. */
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { openModel } from '../tensor/safetensors/reader.node.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import { MergeError } from './errors.js';
import {
  type AdapterFacts,
  COMPANION_NAMES,
  type CompanionFile,
  type ModelFacts,
} from './planner-sources.js';
import type { ModelReference } from './recipe/model-reference.js';
import { type Recipe, referencesOf } from './recipe/recipe.js';
import { readTokenizerFacts } from './tokenizer/vocabulary.js';

export interface OpenedModels {
  /** By the text of the reference: what `planMerge` takes. */
  readonly models: ReadonlyMap<string, ModelFacts>;
  /** By the path of the plan's models, adapters among them. */
  readonly sources: ReadonlyMap<string, ModelSource>;
  /** Safe to call twice. */
  close(): Promise<void>;
}

export interface OpenModelsOptions {
  /** Folder that relative paths are tried in before the working folder: that of the recipe. */
  readonly folder?: string;
  /** Folders by name, for documents of a recipe that are outputs of others. */
  readonly outputs?: ReadonlyMap<string, string>;
}

/** Files whose texts the planner reads; others are only copied. */
const TEXTS: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'chat_template.jinja',
  'chat_template.json',
];
const ADAPTER_FILE = 'adapter_model.safetensors';

/**
 * Opens every model of a recipe with its tokenizer, companions and adapter; reads headers and texts, no tensors.
 *
 * @throws {MergeError} of class `bad_model_reference` for a path that is not there; as `openModel` for files that cannot be read.
 */
export async function openModels(recipe: Recipe, options: OpenModelsOptions = {}): Promise<OpenedModels> {
  const models = new Map<string, ModelFacts>();
  const sources = new Map<string, ModelSource>();
  const close = async () => {
    for (const source of sources.values()) await source.close();
  };
  const open = async (path: string): Promise<ModelSource> => {
    const opened = sources.get(path);
    if (opened !== undefined) return opened;
    const source = await openModel(path);
    sources.set(path, source);
    return source;
  };
  try {
    for (const reference of referencesOf(recipe)) {
      const path = await findModel(reference, reference.path, options);
      const source = await open(path);
      // Tokenizers have megabytes: they are read where the recipe makes something of them.
      const whole = recipe.tokenizer !== undefined || recipe.chatTemplate !== undefined;
      const { companions, texts } = await readCompanions(path, whole);
      const tokenizer =
        recipe.tokenizer === undefined ? undefined : readTokenizerFacts(reference.text, texts);
      const adapter =
        reference.lora && (await openAdapter(await findModel(reference, reference.lora.path, options), open));
      models.set(reference.text, {
        path,
        tensors: source.tensors,
        ...(source.config && { config: source.config }),
        ...(tokenizer && { tokenizer }),
        companions,
        ...(adapter && { adapter }),
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { models, sources, close };
}

async function findModel(
  reference: ModelReference,
  path: string,
  options: OpenModelsOptions,
): Promise<string> {
  const output = options.outputs?.get(path);
  if (output !== undefined) return output;
  const tried = isAbsolute(path)
    ? [path]
    : [...new Set([...(options.folder === undefined ? [] : [resolve(options.folder, path)]), resolve(path)])];
  for (const candidate of tried) if (await exists(candidate)) return candidate;
  throw new MergeError(
    'bad_model_reference',
    `${reference.text}: no model at ${tried.join(' or ')}`,
    'give the folder of a model on this machine, relative to the recipe or to the working folder',
    { model: reference.text, actual: path },
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function readCompanions(
  folder: string,
  whole: boolean,
): Promise<{ companions: CompanionFile[]; texts: Map<string, string> }> {
  const companions: CompanionFile[] = [];
  const texts = new Map<string, string>();
  for (const name of COMPANION_NAMES) {
    const path = join(folder, name);
    if (!whole || !TEXTS.includes(name)) {
      if (await exists(path)) companions.push({ name, path });
      continue;
    }
    const content = await readOptional(path);
    if (content === undefined) continue;
    companions.push({ name, path, content });
    texts.set(name, content);
  }
  return { companions, texts };
}

async function openAdapter(
  folder: string,
  open: (path: string) => Promise<ModelSource>,
): Promise<AdapterFacts> {
  const text = await readOptional(join(folder, 'adapter_config.json'));
  const fail = (problem: string, cause?: unknown) =>
    new MergeError(
      'bad_adapter',
      `${folder}: ${problem}`,
      `name a folder with adapter_config.json and ${ADAPTER_FILE}`,
      { model: folder },
      cause === undefined ? undefined : { cause },
    );
  if (text === undefined) throw fail('has no adapter_config.json');
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw fail('adapter_config.json is not JSON', cause);
  }
  if (typeof config !== 'object' || config === null) throw fail('adapter_config.json does not hold a map');
  const path = join(folder, ADAPTER_FILE);
  if (!(await exists(path))) throw fail(`has no ${ADAPTER_FILE}`);
  const { tensors } = await open(path);
  return { path, tensors, config: config as Record<string, unknown> };
}
