/** Reads the values of one tensor, or of two side by side, in chunks, so that memory does not grow with the tensor. */
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec } from './codecs.js';
import { dtypeBits, isTensorDtype } from './dtype.js';
import { loadScaler, type ScaleInfo } from './scales.js';
import type { ModelSource, TensorInfo } from './source.js';
import { wideReader } from './wide-values.js';

/** Elements read at a time. */
const CHUNK = 1 << 20;

export interface PassOptions {
  readonly kernels: Kernels;
  /** Called after each chunk with the bytes read for it. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** A tensor of an open model, with the scales that its values are multiplied by, if it has some. */
export type MeasuredTensor = readonly [source: ModelSource, info: TensorInfo, scale?: ScaleInfo];

/** Of a type that float32 holds, or of a wider one. */
export type Values = Float32Array | Float64Array;

/** A piece of one or two tensors of one size; `values` are empty where they cannot be read. */
export interface Chunk {
  readonly values: readonly Values[];
  readonly bytes: readonly Uint8Array[];
}

/** Chunks in order; the next is being read while one is looked at. */
export async function* chunks(
  tensors: readonly MeasuredTensor[],
  { kernels, onBytes, signal }: PassOptions,
): AsyncGenerator<Chunk> {
  const size = tensors[0][1].size;
  const scalers = await Promise.all(
    tensors.map(([source, info, scale]) => scale && loadScaler(source, info, scale, kernels)),
  );
  const readers = tensors.map(([source, info]) => {
    const length = Math.min(size, CHUNK);
    const buffers = [0, 1].map(() => new Uint8Array(Math.ceil((length * dtypeBits[info.dtype]) / 8)));
    const wide = wideReader(info.dtype);
    const codec =
      wide === undefined && isTensorDtype(info.dtype)
        ? createCodec(kernels, info.dtype, info.name)
        : undefined;
    return { source, info, buffers, wide, codec, values: new Float32Array(codec ? length : 0) };
  });
  const read = (begin: number): Promise<Uint8Array[]> | undefined => {
    if (begin >= size) return undefined;
    const end = Math.min(size, begin + CHUNK);
    const turn = (begin / CHUNK) % 2;
    const reading = Promise.all(
      readers.map(({ source, info, buffers }) => source.readBytes(info, begin, end, buffers[turn])),
    );
    // Awaited in its turn; until then an error must not count as unhandled.
    reading.catch(() => undefined);
    return reading;
  };
  let next = read(0);
  for (let begin = 0; next !== undefined; begin += CHUNK) {
    const bytes = await next;
    signal?.throwIfAborted();
    next = read(begin + CHUNK);
    const values = readers.map(({ wide, codec, values: all }, k) => {
      if (wide !== undefined) return wide(bytes[k]);
      if (codec === undefined) return all;
      const part = all.subarray(0, bytes[k].length / codec.width);
      codec.widen(part, bytes[k]);
      scalers[k]?.(part, begin);
      return part;
    });
    yield { values, bytes };
    onBytes?.(bytes.reduce((sum, part) => sum + part.length, 0));
  }
}

/** Whether kernels can take the values: all of them are finite, and in float32. */
export function areFinite(kernels: Kernels, x: Values): x is Float32Array {
  return x instanceof Float32Array && kernels.allFiniteF32(x) === 1;
}
