/** Models from files that a page was given, or from memory. */
import { InvalidArgumentError } from '../../errors.js';
import { ModelFileError } from './errors.js';
import { type ByteFile, openModelPlace } from './reader.js';
import type { ModelSource } from './source.js';

/** A file that a page was given (`File` is a `Blob`), or its bytes. */
export type ModelBlob = Blob | ArrayBuffer | Uint8Array;

/**
 * Opens a model from files in a browser or in memory: positional reads, never a whole file.
 *
 * @param path - what messages call the model.
 * @param files - one safetensors file, or the files of a folder by name, as on disk.
 * @throws as `openModelPlace`.
 */
export function openModelBlobs(
  path: string,
  files: ModelBlob | ReadonlyMap<string, ModelBlob>,
): Promise<ModelSource> {
  if (!(files instanceof Map)) {
    const single = files as ModelBlob;
    return openModelPlace({ path, open: async () => byteFile(path, single) }, path);
  }
  return openModelPlace({
    path,
    open: async (name) => {
      const blob = files.get(name);
      return blob === undefined ? undefined : byteFile(`${path}/${name}`, blob);
    },
    list: async () => [...files.keys()],
  });
}

function byteFile(path: string, blob: ModelBlob): ByteFile {
  const bytes = blob instanceof ArrayBuffer ? new Uint8Array(blob) : blob;
  if (bytes instanceof Uint8Array)
    return {
      path,
      size: bytes.length,
      async read(into, position) {
        into.set(bytes.subarray(position, position + into.length));
      },
      verify: async () => undefined,
      close: async () => undefined,
    };
  if (!(bytes instanceof Blob))
    throw new InvalidArgumentError(
      'openModelBlobs',
      'a file',
      'a Blob, an ArrayBuffer or a Uint8Array',
      blob,
    );
  return {
    path,
    size: bytes.size,
    async read(into, position) {
      try {
        into.set(new Uint8Array(await bytes.slice(position, position + into.length).arrayBuffer()));
      } catch (error) {
        // A browser refuses to read a file that changed on disk after it was chosen.
        throw new ModelFileError(
          'ERR_INPUT_CHANGED',
          `${path} cannot be read any more`,
          'choose the file again; it may have been changed or moved',
          { file: path },
          error,
        );
      }
    },
    verify: async () => undefined,
    close: async () => undefined,
  };
}
