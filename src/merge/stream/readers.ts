/** How the inputs of a tensor come to a lane: read for it, read by itself, or put together from several places. */
import type { Kernels } from '../../kernels/kernels.js';
import { bytesOf, type StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { FileRange } from '../../tensor/safetensors/file-range.js';
import type { ModelSource, TensorInfo } from '../../tensor/safetensors/source.js';
import { MergeError } from '../errors.js';
import type { InputTensor, MergePlan } from '../plan.js';
import { isAltered, openInput } from './altered-input.js';

export interface InputReader {
  readonly dtype: StoredDtype;
  /** Where the lane reads the input by itself. */
  readonly range?: FileRange;
  /** Reads the elements [begin, end). @returns the bytes that it took from files. */
  read(begin: number, end: number, into: Uint8Array): Promise<number>;
}

export interface ReaderContext {
  readonly plan: MergePlan;
  /** One for each of the plan's models. */
  readonly sources: readonly ModelSource[];
  readonly kernels: Kernels;
}

/** @param inFiles - whether the lane may read by itself. */
export function readerOf(context: ReaderContext, input: InputTensor, inFiles: boolean): InputReader {
  const { sources, kernels } = context;
  const infoOf = (model: number, name: string): TensorInfo => infoIn(context, model, name);
  const info = infoOf(input.model, input.name);
  if (isAltered(input)) {
    const read = openInput({ sources, kernels, infoOf }, input);
    return {
      dtype: 'F32',
      read: async (begin, end, into) => {
        await read(new Float32Array(into.buffer, into.byteOffset, end - begin), begin);
        return bytesOf(info.dtype, end - begin);
      },
    };
  }
  return {
    dtype: info.dtype,
    range: inFiles ? sources[input.model].rangeOf?.(info) : undefined,
    read: async (begin, end, into) => {
      await sources[input.model].readBytes(info, begin, end, into);
      return into.length;
    },
  };
}

/** Stored bytes of an element of all inputs that lanes read by themselves, or of all others. */
export function widthOf(readers: readonly InputReader[], inFiles: boolean): number {
  return readers.reduce(
    (sum, { dtype, range }) => sum + ((range !== undefined) === inFiles ? bytesOf(dtype, 1) : 0),
    0,
  );
}

function infoIn({ sources, plan }: ReaderContext, model: number, name: string): TensorInfo {
  const info = sources[model].tensors.get(name);
  if (info !== undefined) return info;
  const { reference } = plan.models[model];
  throw new MergeError(
    'missing_tensor',
    `model ${reference} has no tensor ${name}`,
    'plan the merge again: the model was changed since',
    { tensor: name, model: reference },
  );
}
