/** Opening the models that a recipe names, from disk. */
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { modelIoError } from '../../tensor/safetensors/io-error.js';
import { openModel } from '../../tensor/safetensors/reader.node.js';
import { MergeError } from '../errors.js';
import type { ModelReference } from '../recipe/model-reference.js';
import type { Recipe } from '../recipe/recipe.js';
import { type ModelStore, type OpenedModels, openModelsFrom } from './models.js';

export interface OpenModelsOptions {
  /** Folder that relative paths are tried in before the working folder: that of the recipe. */
  readonly folder?: string;
  /** Folders by name, for documents of a recipe that are outputs of others. */
  readonly outputs?: ReadonlyMap<string, string>;
}

/**
 * Opens every model of a recipe with its tokenizer, companions and adapter; reads headers and texts, no tensors.
 *
 * @throws {MergeError} of class `bad_model_reference` for a path that is not there; as `openModel` for files that cannot be read.
 */
export function openModels(recipe: Recipe, options: OpenModelsOptions = {}): Promise<OpenedModels> {
  return openModelsFrom(recipe, diskStore(options));
}

export function diskStore(options: OpenModelsOptions = {}): ModelStore {
  return {
    find: (reference, path) => findModel(reference, path, options),
    open: openModel,
    join,
    exists,
    readText: async (path) => (await readBytes(path))?.toString('utf8'),
    readBytes,
  };
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
    if (isMissing(error)) return false;
    throw modelIoError(error, 'reading', path);
  }
}

async function readBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw modelIoError(error, 'reading', path);
  }
}

/** Whether nothing is at a path, or nothing can be: the name is too long or holds a null character. */
function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'].includes(String(code));
}
