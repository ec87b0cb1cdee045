/** A whole model in memory as float32 tensors by name: for models that fit there, as in programs and pages. */
import { InvalidArgumentError, ShapeMismatchError } from '../../errors.js';
import { defaultBackendOptions } from '../../kernels/current.js';
import type { Kernels } from '../../kernels/kernels.js';
import { loadBackend } from '../../kernels/select.js';
import { type ModelBlob, openModelBlobs } from './blob-reader.js';
import { createCodec, UnsupportedDtypeError } from './codecs.js';
import { bytesOf, isTensorDtype, type StoredDtype } from './dtype.js';
import { layOutFile } from './format.js';
import { loadScaler, scaledWeights, unquantizedConfig, unquantizedDtype } from './scales.js';
import type { ModelSource, TensorInfo } from './source.js';

export interface FlatTensor {
  /** Type it will be stored in: that in which it was, but for eight-bit weights with scales. */
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** Row-major float32 values; empty for a type that is only copied. */
  readonly values: Float32Array;
  /** Bytes as stored, for types that float32 cannot hold exactly (I32, I64 and those that are only copied); written instead of `values`. */
  readonly stored?: Uint8Array;
}

export interface FlatModel {
  readonly tensors: ReadonlyMap<string, FlatTensor>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Content of `config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface FlatModelOptions {
  /** Default: those of `init`, else the fastest that loads. */
  readonly kernels?: Kernels;
}

/** Elements that are converted at a time. */
const CHUNK = 1 << 20;

/**
 * Reads all tensors of an open model into memory. Eight-bit weights with scales become what they stand for, in the type of the
 * configuration (else bfloat16), and the scales are left out.
 *
 * @throws {UnsupportedDtypeError} for a weight whose scales cannot be applied.
 */
export async function readFlatModel(source: ModelSource, options: FlatModelOptions = {}): Promise<FlatModel> {
  return withKernels(options.kernels, async (kernels) => {
    const { config } = source;
    const scaled = scaledWeights(source.tensors, config);
    if (scaled?.problem !== undefined) {
      const { weight, why } = scaled.problem;
      throw new UnsupportedDtypeError(source.tensors.get(weight)?.dtype ?? '', `tensor ${weight} (${why})`);
    }
    const tensors = new Map<string, FlatTensor>();
    for (const info of source.tensors.values()) {
      if (scaled?.taken.has(info.name)) continue;
      const tensor = await readTensor(source, info, kernels);
      const scale = scaled?.scales.get(info.name);
      if (scale !== undefined) (await loadScaler(source, info, scale, kernels))(tensor.values, 0);
      tensors.set(info.name, scale === undefined ? tensor : { ...tensor, dtype: unquantizedDtype(config) });
    }
    await source.verify();
    const plain = scaled === undefined || config === undefined ? config : unquantizedConfig(config);
    return { tensors, metadata: source.metadata, config: plain };
  });
}

async function readTensor(source: ModelSource, info: TensorInfo, kernels: Kernels): Promise<FlatTensor> {
  const { dtype, shape, size, name } = info;
  const exact = isTensorDtype(dtype) && dtype !== 'I64' && dtype !== 'I32';
  const stored = exact ? undefined : await source.readBytes(info, 0, size);
  if (!isTensorDtype(dtype)) return { dtype, shape, values: new Float32Array(0), stored };
  const values = new Float32Array(size);
  const codec = createCodec(kernels, dtype, name);
  const buffer = new Uint8Array(codec.width * Math.min(size, CHUNK));
  for (let begin = 0; begin < size; begin += CHUNK) {
    const end = Math.min(size, begin + CHUNK);
    codec.widen(values.subarray(begin, end), await source.readBytes(info, begin, end, buffer));
  }
  return { dtype, shape, values, stored };
}

/** Bytes of a tensor from element `begin` on, as they are stored; at most `CHUNK` elements. */
export function* storedChunks(
  kernels: Kernels,
  name: string,
  { dtype, shape, values, stored }: FlatTensor,
): Generator<{ begin: number; bytes: Uint8Array }> {
  const size = shape.reduce((product, n) => product * n, 1);
  if (stored !== undefined) {
    if (stored.length !== bytesOf(dtype, size))
      throw new InvalidArgumentError(
        'writeModel',
        `stored of ${name}`,
        `${bytesOf(dtype, size)} bytes`,
        stored.length,
      );
    yield { begin: 0, bytes: stored };
    return;
  }
  if (values.length !== size)
    throw new ShapeMismatchError(
      'writeModel',
      shape,
      [values.length],
      `give ${name} as many values as its shape says`,
    );
  const codec = createCodec(kernels, dtype, name);
  for (let begin = 0; begin < size; begin += CHUNK) {
    const part = values.subarray(begin, begin + CHUNK);
    const bytes = new Uint8Array(part.length * codec.width);
    codec.narrow(bytes, part);
    yield { begin, bytes };
  }
}

/**
 * Reads a model that a page was given into memory.
 *
 * @param name - what messages call it.
 * @param files - one safetensors file, or the files of a folder by name.
 * @throws as `openModelBlobs`.
 */
export async function readModelBlobs(
  name: string,
  files: ModelBlob | ReadonlyMap<string, ModelBlob>,
  options: FlatModelOptions = {},
): Promise<FlatModel> {
  const source = await openModelBlobs(name, files);
  try {
    return await readFlatModel(source, options);
  } finally {
    await source.close();
  }
}

/**
 * A model as one safetensors file in memory, as for a download.
 *
 * @throws {ShapeMismatchError} if a tensor has more or fewer values than its shape says.
 */
export async function encodeModel(model: FlatModel, options: FlatModelOptions = {}): Promise<Uint8Array> {
  return withKernels(options.kernels, async (kernels) => {
    const outputs = [...model.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
    const { head, tensors, bytes } = layOutFile('model.safetensors', outputs, model.metadata);
    const file = new Uint8Array(bytes);
    file.set(head);
    for (const { name, offset, dtype } of tensors) {
      const tensor = model.tensors.get(name);
      if (tensor === undefined) continue;
      for (const chunk of storedChunks(kernels, name, tensor))
        file.set(chunk.bytes, offset + bytesOf(dtype, chunk.begin));
    }
    return file;
  });
}

/** Runs with the kernels given, or with some that are loaded for it. */
export async function withKernels<T>(
  given: Kernels | undefined,
  work: (kernels: Kernels) => Promise<T>,
): Promise<T> {
  const kernels = given ?? (await loadBackend(defaultBackendOptions()));
  try {
    return await work(kernels);
  } finally {
    if (given === undefined) kernels.dispose();
  }
}
