/** A model written into memory as one safetensors file: for pages, and for models that are input of another merge. */
import { InvalidArgumentError } from '../../errors.js';
import { dtypeBits } from './dtype.js';
import { ModelFileError } from './errors.js';
import { layOutFile } from './format.js';
import { SINGLE_FILE } from './reader.js';
import type { ModelWriter, OutputInfo } from './writer.js';

export interface MemoryModelWriter extends ModelWriter {
  /** Whole files by name; empty before `commit`. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/**
 * Creates a writer whose files are the bytes that `createModelWriter` writes with `shardSize: 0`.
 *
 * @param name - what messages call the model.
 * @param readFile - gives the content of a file that is added by path.
 * @throws {ModelFileError} `ERR_OUT_OF_MEMORY` if the host has no memory of this size in one piece.
 */
export function createMemoryWriter(
  name: string,
  outputs: readonly OutputInfo[],
  readFile: (path: string) => Promise<Uint8Array<ArrayBuffer>>,
): MemoryModelWriter {
  const { head, tensors, bytes } = layOutFile(SINGLE_FILE, outputs);
  const file = allocate(name, bytes);
  const places = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const unfinished = new Set(places.keys());
  const others = new Map<string, Uint8Array<ArrayBuffer>>();
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    folder: name,
    files,
    finished: new Set(),
    async write(tensor, begin, part) {
      const place = places.get(tensor);
      if (place === undefined)
        throw new InvalidArgumentError('ModelWriter.write', 'tensor', 'one of the outputs', tensor);
      const first = (begin * dtypeBits[place.dtype]) / 8;
      if (!Number.isInteger(first) || first < 0 || first + part.length > place.bytes)
        throw new InvalidArgumentError(
          'ModelWriter.write',
          'bytes',
          `within the ${place.bytes} bytes of ${tensor}`,
          `${part.length} from ${first} on`,
        );
      file.set(part, place.offset + first);
    },
    async finish(tensor) {
      unfinished.delete(tensor);
    },
    async addFile(fileName, content) {
      const isPath = typeof content === 'object' && 'from' in content;
      others.set(
        fileName,
        isPath
          ? await readFile(content.from)
          : typeof content === 'string'
            ? new TextEncoder().encode(content)
            : new Uint8Array(content),
      );
    },
    async commit() {
      const [missing] = unfinished;
      if (missing !== undefined)
        throw new ModelFileError(
          'ERR_UNFINISHED_OUTPUT',
          `${name}: ${unfinished.size} tensors are not finished, as ${missing}`,
          'write and finish every tensor before commit',
          { model: name, tensor: missing },
        );
      file.set(head);
      for (const [fileName, content] of others) files.set(fileName, content);
      files.set(SINGLE_FILE, file);
      return {
        folder: name,
        files: [SINGLE_FILE],
        bytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
      };
    },
    async abort() {
      others.clear();
    },
  };
}

function allocate(name: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (error) {
    throw new ModelFileError(
      'ERR_OUT_OF_MEMORY',
      `${name}: a model of ${bytes} bytes does not fit into memory in one piece`,
      'merge it into a folder with heddle on Node, which needs no memory of the size of the model',
      { model: name, actual: bytes },
      error,
    );
  }
}
