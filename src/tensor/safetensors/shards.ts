/** How a model is spread over files. */
import { InvalidArgumentError } from '../../errors.js';
import { bytesOf } from './dtype.js';
import { type FileLayout, layOutFile } from './format.js';
import { INDEX_FILE, SINGLE_FILE } from './reader.js';
import type { OutputInfo } from './writer.js';

export interface ModelLayout {
  readonly files: readonly (FileLayout & { readonly name: string })[];
  /** Content of `model.safetensors.index.json`; absent for a single file. */
  readonly index?: string;
  /** Of tensors. */
  readonly bytes: number;
}

const DEFAULT_SHARD_SIZE = 5_000_000_000;

/**
 * Lays out a model: files are filled in the order of `outputs`, and a new one begins where the next tensor would pass the limit. A
 * tensor is never split; one above the limit has a file of its own. Everything follows from names, types and shapes alone.
 *
 * @param shardSize - bytes of tensors in a file at most, headers not counted; 0: one file.
 */
export function layOutModel(
  outputs: readonly OutputInfo[],
  shardSize = DEFAULT_SHARD_SIZE,
  metadata: Readonly<Record<string, string>> = {},
): ModelLayout {
  if (!(shardSize >= 0))
    throw new InvalidArgumentError('createModelWriter', 'shardSize', 'bytes, or 0 for one file', shardSize);
  const names = new Set(outputs.map(({ name }) => name));
  if (names.size < outputs.length)
    throw new InvalidArgumentError(
      'createModelWriter',
      'the names of tensors',
      'different from each other',
      outputs,
    );
  const shards: OutputInfo[][] = [[]];
  let filled = 0;
  let total = 0;
  for (const output of outputs) {
    const bytes = bytesOf(
      output.dtype,
      output.shape.reduce((product, n) => product * n, 1),
    );
    const current = shards[shards.length - 1];
    if (shardSize > 0 && current.length > 0 && filled + bytes > shardSize) {
      shards.push([output]);
      filled = bytes;
    } else {
      current.push(output);
      filled += bytes;
    }
    total += bytes;
  }
  const five = (n: number): string => String(n).padStart(5, '0');
  const fileName = (i: number): string =>
    shards.length === 1 ? SINGLE_FILE : `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
  const files = shards.map((shard, i) => ({
    name: fileName(i),
    ...layOutFile(fileName(i), shard, metadata),
  }));
  if (shards.length === 1) return { files, bytes: total };
  const weightMap = Object.fromEntries(
    shards.flatMap((shard, i) => shard.map(({ name }) => [name, fileName(i)])),
  );
  const index = `${JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2)}\n`;
  return { files, index, bytes: total };
}

/** Names that hold a model's tensors in a folder: what a new model there replaces. */
export function isModelFile(name: string): boolean {
  return name === SINGLE_FILE || name === INDEX_FILE || /^model-\d{5}-of-\d{5}\.safetensors$/.test(name);
}
