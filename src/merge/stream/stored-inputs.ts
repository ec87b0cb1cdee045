/** The computing side's view of its inputs: stored bytes, handed over or read from files, as float32 or as they are. */
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec, roundTo } from '../../tensor/safetensors/codecs.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { FileAccess } from '../../tensor/safetensors/file-range.js';
import type { Scratch } from './scratch.js';
import type { ChunkCommand, TaskStart } from './task.js';

export interface StoredInputs {
  /** The type of all inputs as kernels name it, where they are 16-bit floats of one type that is not rounded to another. */
  readonly format?: number;
  /** Elements [begin, end) of a chunk of all inputs as they are stored, where there is a `format`. */
  codes(command: ChunkCommand, begin: number, end: number): Uint16Array[];
  /** Elements [begin, end) of a chunk of input `k`. @param place - of scratch memory; what was in it is lost. Default: k. */
  widened(command: ChunkCommand, k: number, begin: number, end: number, place?: number): Float32Array;
}

export function createStoredInputs(
  start: Pick<TaskStart, 'inputs' | 'tensor' | 'rounding' | 'rounded'>,
  kernels: Kernels,
  scratch: Scratch,
  files?: FileAccess,
): StoredInputs {
  const codecs = start.inputs.map((dtype) => createCodec(kernels, dtype, `tensor ${start.tensor}`));
  const rounding = start.rounding && createCodec(kernels, start.rounding);
  const { rounded = codecs.length } = start;

  /** Where what is kept of each input ends: passes go through a tensor from its first element on. */
  const keptUntil = codecs.map(() => 0);

  /** From a file bytes come into a few cached places, again at every pass unless they are kept. */
  const stored = (
    { inputs, offset, count, keeps }: ChunkCommand,
    k: number,
    begin: number,
    end: number,
    place: number,
  ): Uint8Array => {
    const { dtype } = codecs[k];
    const input = inputs[k];
    const first = bytesOf(dtype, begin);
    const last = bytesOf(dtype, end);
    if (input instanceof Uint8Array) return input.subarray(first, last);
    const bytes = keeps
      ? scratch.kept(k, bytesOf(dtype, count)).subarray(first, last)
      : scratch.bytes(place, last - first);
    if (keeps && end <= keptUntil[k]) return bytes;
    filesOf(files).read(input, bytesOf(dtype, offset) + first, bytes);
    if (keeps) keptUntil[k] = end;
    return bytes;
  };

  return {
    format: formatOf(start),
    codes: (command, begin, end) =>
      codecs.map((_, k) => {
        const bytes = stored(command, k, begin, end, k);
        return new Uint16Array(bytes.buffer, bytes.byteOffset, end - begin);
      }),
    widened(command, k, begin, end, place = k) {
      const codec = codecs[k];
      const bytes = stored(command, k, begin, end, place);
      const rounds = rounding !== undefined && k < rounded && codec.dtype !== rounding.dtype;
      if (codec.dtype === 'F32' && !rounds)
        return new Float32Array(bytes.buffer, bytes.byteOffset, end - begin);
      const view = scratch.vector(place, end - begin);
      codec.widen(view, bytes);
      // Over the stored bytes, if they lie there: they are done with.
      if (rounds) roundTo(rounding, view, scratch.bytes(place, view.length * rounding.width));
      return view;
    },
  };
}

function formatOf({ inputs, rounding }: Pick<TaskStart, 'inputs' | 'rounding'>): number | undefined {
  const [dtype] = inputs;
  if (inputs.some((each) => each !== dtype) || (rounding !== undefined && rounding !== dtype))
    return undefined;
  return dtype === 'BF16' ? 0 : dtype === 'F16' ? 1 : undefined;
}

export function filesOf(files: FileAccess | undefined): FileAccess {
  if (files === undefined) throw new Error('this thread reaches no files');
  return files;
}
