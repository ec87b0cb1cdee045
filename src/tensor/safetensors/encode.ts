/** A flat model as one safetensors file in memory: what run folders hold. */
import { ShapeMismatchError } from '../../errors.js';
import { type ParamSpec, ParamSpecError } from '../param-spec.js';
import { layOutFile } from './format.js';

/**
 * A whole safetensors file of float32 tensors in the order of the spec: the SHA-256 of what follows the header is the fingerprint.
 *
 * @param params - `spec.size` values.
 * @param metadata - text by key, as `heddle.round`; `format: pt` is added. Aliases of tied tensors go into `heddle.aliases`.
 * @throws {ShapeMismatchError} if `params` has another length than the spec.
 * @throws {ParamSpecError} for a tensor that is called `__metadata__`, which the format keeps for itself.
 */
export function encodeSafetensors(
  spec: ParamSpec,
  params: Float32Array,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  if (params.length !== spec.size)
    throw new ShapeMismatchError(
      'encodeSafetensors',
      [spec.size],
      [params.length],
      'pass the flat vector of this very model',
    );
  if (spec.has('__metadata__'))
    throw new ParamSpecError(
      '__metadata__',
      'cannot be a tensor of a safetensors file',
      'rename the parameter',
    );
  const aliases: Record<string, string> =
    Object.keys(spec.aliases).length > 0 ? { 'heddle.aliases': JSON.stringify(spec.aliases) } : {};
  const outputs = spec.entries.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }));
  const { head, tensors, bytes } = layOutFile(
    'model.safetensors',
    outputs,
    { ...metadata, ...aliases },
    'given',
  );
  const file = new Uint8Array(bytes);
  file.set(head);
  const view = new DataView(file.buffer);
  const begins = new Map(spec.entries.map(({ name, offset }) => [name, offset]));
  for (const { name, offset, size } of tensors) {
    const begin = begins.get(name) ?? 0;
    for (let i = 0; i < size; i++) view.setFloat32(offset + 4 * i, params[begin + i], true);
  }
  return file;
}
