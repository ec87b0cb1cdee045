/** Which model something was made from. */
import { platform } from '#platform';
import type { Kernels } from '../../kernels/kernels.js';
import { bytesOf } from './dtype.js';
import { type FlatModel, storedChunks } from './flat-model.js';
import type { ModelSource } from './source.js';

/** Elements that are read at a time. */
const CHUNK = 1 << 20;

/**
 * SHA-256 over names, types, shapes and bytes of a model's tensors in the order of their names: equal for equal models however they are
 * cut into files.
 *
 * @param onBytes - called with the bytes of every piece that was read.
 */
export async function modelSha256(
  source: ModelSource,
  signal?: AbortSignal,
  onBytes?: (bytes: number) => void,
): Promise<string> {
  const hash = platform.createSha256();
  for (const name of [...source.tensors.keys()].sort()) {
    const info = source.tensors.get(name);
    if (info === undefined) continue;
    const { dtype, shape, size } = info;
    hash.update(headOf(name, dtype, shape));
    const buffer = new Uint8Array(bytesOf(dtype, Math.min(size, CHUNK)));
    for (let begin = 0; begin < size; begin += CHUNK) {
      signal?.throwIfAborted();
      const bytes = await source.readBytes(info, begin, Math.min(size, begin + CHUNK), buffer);
      hash.update(bytes);
      onBytes?.(bytes.length);
    }
  }
  return hash.digestHex();
}

/** `modelSha256` of the file that a model in memory would be written to. */
export function flatModelSha256({ tensors }: FlatModel, kernels: Kernels): string {
  const hash = platform.createSha256();
  for (const name of [...tensors.keys()].sort()) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    hash.update(headOf(name, tensor.dtype, tensor.shape));
    for (const { bytes } of storedChunks(kernels, name, tensor)) hash.update(bytes);
  }
  return hash.digestHex();
}

function headOf(name: string, dtype: string, shape: readonly number[]): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify([name, dtype, shape])}\n`);
}
