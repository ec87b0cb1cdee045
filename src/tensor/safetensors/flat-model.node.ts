/** Whole models between memory and disk. */
import {
  type FlatModel,
  type FlatModelOptions,
  readFlatModel,
  storedChunks,
  withKernels,
} from './flat-model.js';
import { openModel } from './reader.node.js';
import type { ModelWriterOptions, WrittenModel } from './writer.js';
import { createModelWriter } from './writer.node.js';

/**
 * Reads a model into memory: every tensor as float32, which holds F32, F16, BF16, 8-bit floats and small integers exactly.
 *
 * @param path - a safetensors file, or a folder with one, sharded or not.
 * @throws {SafetensorsFormatError} for a malformed file.
 * @throws {ModelFileError} if the model is incomplete, cannot be read, or changes meanwhile.
 * @example const [a, b] = await Promise.all([readModel('a'), readModel('b')]);
 */
export async function readModel(path: string, options: FlatModelOptions = {}): Promise<FlatModel> {
  const source = await openModel(path);
  try {
    return await readFlatModel(source, options);
  } finally {
    await source.close();
  }
}

/** `metadata` comes from the model. */
export type WriteModelOptions = FlatModelOptions &
  Pick<ModelWriterOptions, 'shardSize' | 'overwrite' | 'sync'>;

/**
 * Writes a model into a folder, which appears whole or not at all: each tensor in its type, values rounded to nearest even once, and
 * `config.json` where the model has one.
 *
 * @param folder - made if it is missing.
 * @throws {ShapeMismatchError} if a tensor has more or fewer values than its shape says.
 * @throws {ModelFileError} if the folder holds a model already (`overwrite`), the disk is full, or writing is not permitted.
 */
export async function writeModel(
  folder: string,
  model: FlatModel,
  options: WriteModelOptions = {},
): Promise<WrittenModel> {
  const { kernels: given, ...writing } = options;
  const outputs = [...model.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return withKernels(given, async (kernels) => {
    const writer = await createModelWriter(folder, outputs, { ...writing, metadata: model.metadata });
    try {
      for (const [name, tensor] of model.tensors) {
        for (const { begin, bytes } of storedChunks(kernels, name, tensor))
          await writer.write(name, begin, bytes);
        await writer.finish(name);
      }
      if (model.config) await writer.addFile('config.json', `${JSON.stringify(model.config, null, 2)}\n`);
      return await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  });
}
