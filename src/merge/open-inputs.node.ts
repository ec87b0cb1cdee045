/** Opening what a recipe names: models, adapters, and the files beside them. */
import { access, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { openModel } from '../tensor/safetensors/reader.node.js';
import type { ModelSource } from '../tensor/safetensors/source.js';
import { MergeError } from './errors.js';
import { type AdapterFacts, COMPANION_NAMES, type CompanionFile, type ModelFacts } from './planner-sources.js';
import type { ModelReference } from './recipe/model-reference.js';
import { type Recipe, referencesOf } from './recipe/recipe.js';
import { readTokenizerFacts } from './tokenizer/vocabulary.js';

/** Files whose text the planner may have to change or understand. */
const READ_WHOLE = /\.(json|txt|jinja)$/;

export interface OpenInputs {
  /** By the text of the reference. */
  readonly facts: ReadonlyMap<string, ModelFacts>;
  /** By the path that a plan gives a model or an adapter. */
  readonly sources: ReadonlyMap<string, ModelSource>;
  close(): Promise<void>;
}

/**
 * Opens every model of a recipe; only headers and small files are read.
 *
 * @param locate - where the path of a reference is.
 * @throws what `openModel` throws, and {@link MergeError} of class `bad_adapter`.
 */
export async function openInputs(
  recipe: Recipe,
  locate: (path: string) => Promise<string>,
): Promise<OpenInputs> {
  const facts = new Map<string, ModelFacts>();
  const sources = new Map<string, ModelSource>();
  const close = async (): Promise<void> => {
    await Promise.all([...sources.values()].map((source) => source.close()));
  };
  const opened = async (path: string, file = path): Promise<ModelSource> => {
    const source = sources.get(path) ?? (await openModel(file));
    sources.set(path, source);
    return source;
  };
  try {
    const tokenizers = recipe.tokenizer !== undefined;
    for (const reference of referencesOf(recipe)) {
      const path = await locate(reference.path);
      const { tensors, config } = await opened(path);
      const companions = await companionsOf(path);
      const texts = new Map(companions.flatMap(({ name, content }) => (content ? [[name, content]] : [])));
      facts.set(reference.text, {
        path,
        tensors,
        config,
        companions,
        ...(tokenizers && { tokenizer: readTokenizerFacts(reference.text, texts) }),
        ...(reference.lora && { adapter: await openAdapter(reference, await locate(reference.lora.path), opened) }),
      });
    }
    return { facts, sources, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openAdapter(
  { text }: ModelReference,
  path: string,
  opened: (path: string, file: string) => Promise<ModelSource>,
): Promise<AdapterFacts> {
  const { tensors } = await opened(path, join(path, 'adapter_model.safetensors'));
  const file = join(path, 'adapter_config.json');
  let config: unknown;
  try {
    config = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new MergeError(
      'bad_adapter',
      `${text}: ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      'name the folder of a PEFT adapter: adapter_config.json beside adapter_model.safetensors',
      { model: text },
      { cause: error },
    );
  }
  return { path, tensors, config: config as Readonly<Record<string, unknown>> };
}

async function companionsOf(path: string): Promise<CompanionFile[]> {
  if (!(await stat(path)).isDirectory()) return [];
  const found: CompanionFile[] = [];
  for (const name of COMPANION_NAMES) {
    const file = join(path, name);
    if (!(await exists(file))) continue;
    found.push({ name, path: file, ...(READ_WHOLE.test(name) && { content: await readFile(file, 'utf8') }) });
  }
  return found;
}

/** Paths of a recipe are relative to its file, then to the working folder. */
export async function locateFrom(folders: readonly string[], path: string): Promise<string> {
  if (isAbsolute(path)) return path;
  for (const folder of folders) if (await exists(resolve(folder, path))) return resolve(folder, path);
  return resolve(folders[0] ?? '.', path);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
