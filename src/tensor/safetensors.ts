/** Writing models as safetensors, the format that PyTorch tools read. https://huggingface.co/docs/safetensors */
import { ShapeMismatchError } from '../errors.js';
import { type ParamSpec, ParamSpecError } from './param-spec.js';

/** Name in the header that is no tensor. */
const kMetadata = '__metadata__';

/**
 * A whole safetensors file: eight bytes of header length (little-endian), the header as JSON padded with spaces to a
 * multiple of eight bytes, then the float32 values in the order of `spec`.
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
  if (spec.entries.some(({ name }) => name === kMetadata))
    throw new ParamSpecError(kMetadata, 'cannot be a tensor of a safetensors file', 'rename the parameter');
  const aliases =
    Object.keys(spec.aliases).length > 0 ? { 'heddle.aliases': JSON.stringify(spec.aliases) } : {};
  // Entries, not assignment: a tensor may have any name.
  const header = Object.fromEntries([
    [kMetadata, { format: 'pt', ...metadata, ...aliases }],
    ...spec.entries.map(({ name, shape, offset, size }) => [
      name,
      { dtype: 'F32', shape, data_offsets: [4 * offset, 4 * (offset + size)] },
    ]),
  ]);
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + 4 * spec.size).fill(0x20, 8, 8 + headerLength);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(headerLength), true);
  file.set(json, 8);
  const start = 8 + headerLength;
  for (let i = 0; i < params.length; i++) view.setFloat32(start + 4 * i, params[i], true);
  return file;
}
