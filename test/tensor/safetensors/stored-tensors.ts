import { openModelBlobs } from '../../../src/tensor/safetensors/blob-reader.js';
import type { StoredDtype } from '../../../src/tensor/safetensors/dtype.js';
import { encodeModel, type FlatModel } from '../../../src/tensor/safetensors/flat-model.js';
import { type RawTensor, raw, tensorFile } from '../../merge/model-files.js';

/** An open model of one tensor. */
export async function tensorOf(values: Float32Array, dtype: StoredDtype = 'F32') {
  const model: FlatModel = { tensors: new Map([['t', { dtype, shape: [values.length], values }]]) };
  return openedModel(await encodeModel(model));
}

export type WideValues = Float64Array | BigInt64Array | Int32Array | Float32Array | Uint16Array | Uint8Array;

/** Values by their bytes, so that none passes through float32. */
export function wide(dtype: StoredDtype, values: WideValues): RawTensor {
  return raw(dtype, [values.length], new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** As `tensorOf`, of values as they are stored. */
export async function stored(dtype: StoredDtype, values: WideValues) {
  return opened({ t: wide(dtype, values) });
}

/** As `tensorOf`, of a file written by hand. */
export async function opened(tensors: { readonly t: RawTensor }) {
  return openedModel(new Blob([Uint8Array.from(tensorFile(tensors))]));
}

async function openedModel(file: Parameters<typeof openModelBlobs>[1]) {
  const source = await openModelBlobs('m', file);
  const info = source.tensors.get('t');
  if (info === undefined) throw new Error('no tensor');
  return [source, info] as const;
}
