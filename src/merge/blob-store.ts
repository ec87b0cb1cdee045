/** Models of a recipe from files that a page was given, or from memory. */
import { InvalidArgumentError } from '../errors.js';
import { type ModelBlob, openModelBlobs } from '../tensor/safetensors/blob-reader.js';
import { ModelFileError } from '../tensor/safetensors/errors.js';
import { MergeError } from './errors.js';
import type { ModelStore } from './planner/models.js';
import { longestFolder, normalisePath } from './recipe/model-reference.js';

/**
 * The files of a model: one safetensors file; or what its folder holds (shards, index, `config.json`, tokenizer), by name or as the
 * `File`s that a page was given.
 */
export type ModelFiles = ModelBlob | ReadonlyMap<string, ModelBlob> | readonly File[];

export interface BlobStore extends ModelStore {
  /** Bytes of a file by its path. */
  read(path: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** @param models - by the name that recipes give them. */
export function createBlobStore(models: ReadonlyMap<string, ModelFiles>): BlobStore {
  const named = new Map([...models].map(([name, files]) => [normalisePath(name), filesOf(name, files)]));
  /** A path is the name of a model, or that and the name of a file. */
  const locate = (path: string): ModelBlob | undefined => {
    const model = longestFolder(named.keys(), path);
    const files = model === undefined ? undefined : named.get(model);
    return model !== undefined && files instanceof Map ? files.get(path.slice(model.length + 1)) : undefined;
  };
  const read = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const blob = locate(path);
    if (blob === undefined)
      throw new ModelFileError('ERR_MODEL_NOT_FOUND', `there is no file ${path}`, 'give it with its model', {
        file: path,
      });
    return bytesOf(path, blob);
  };
  return {
    async find(reference, path) {
      if (named.has(path)) return path;
      const known = [...named.keys()].join(', ');
      throw new MergeError(
        'bad_model_reference',
        `${reference.text}: no model of the name ${path} was given; there are ${known || 'none'}`,
        'give the files of every model under the name that the recipe has for it',
        { model: reference.text, actual: path },
      );
    },
    async open(place) {
      const files = named.get(place) ?? locate(place);
      if (files === undefined)
        throw new ModelFileError(
          'ERR_MODEL_NOT_FOUND',
          `there is no model ${place}`,
          'give its files under this name',
          {
            model: place,
          },
        );
      return openModelBlobs(place, files);
    },
    join: (place, name) => `${place}/${name}`,
    exists: async (path) => locate(path) !== undefined,
    async readText(path) {
      const blob = locate(path);
      return blob === undefined ? undefined : new TextDecoder().decode(await bytesOf(path, blob));
    },
    async readBytes(path) {
      const blob = locate(path);
      return blob && bytesOf(path, blob);
    },
    read,
  };
}

function filesOf(name: string, files: ModelFiles): ModelBlob | ReadonlyMap<string, ModelBlob> {
  if (!Array.isArray(files)) return files as Exclude<ModelFiles, readonly File[]>;
  const byName = new Map<string, ModelBlob>();
  for (const file of files as readonly File[]) {
    if (byName.has(file.name))
      throw new InvalidArgumentError(
        'models',
        `the files of ${name}`,
        'of different names',
        file.name,
        'give the files of one folder',
      );
    byName.set(file.name, file);
  }
  return byName;
}

async function bytesOf(path: string, blob: ModelBlob): Promise<Uint8Array<ArrayBuffer>> {
  if (!(blob instanceof Blob)) return new Uint8Array(blob);
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw new ModelFileError(
      'ERR_INPUT_CHANGED',
      `${path} cannot be read any more`,
      'choose the file again; it may have been changed or moved',
      { file: path },
      error,
    );
  }
}
