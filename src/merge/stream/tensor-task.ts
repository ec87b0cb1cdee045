/** The computing side of a stream: one tensor at a time, from stored bytes to stored bytes. Runs in threads or in place. */
import type { MergeMethod, TensorMerge } from '../../combine/merge/method.js';
import type { KernelBuffer } from '../../kernels/buffer.js';
import type { Kernels } from '../../kernels/kernels.js';
import { type Codec, createCodec } from '../../tensor/safetensors/codecs.js';
import { bytesOf, overflowLimit, type StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { FileAccess, FileRange } from '../../tensor/safetensors/file-range.js';

/** Elements of a block of the sum rule; also what is widened at a time, so that it stays in the L2 cache. */
export const BLOCK = 65_536;

/** A tensor, or a range of one, as it is announced to the computing side. */
export interface TaskStart {
  /** Name of the method; absent: the first input is only converted. */
  readonly method?: string;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly size: number;
  readonly models: readonly string[];
  readonly base: number;
  readonly perModel: Readonly<Record<string, readonly number[]>>;
  readonly global: Readonly<Record<string, number>>;
  readonly seed: number | string | bigint;
  readonly strict: boolean;
  /** Types of the bytes that are handed over. */
  readonly inputs: readonly StoredDtype[];
  /** Inputs are rounded to this type first: a recipe's `dtype` is the type models are loaded in. */
  readonly rounding?: 'F16' | 'BF16';
  /** Only so many of the inputs are rounded; the rest are measurements. Default: all. */
  readonly rounded?: number;
  readonly output: StoredDtype;
  /** Input that the change of the tensor is measured against. */
  readonly reference: number;
  /** Bytes that the method may keep to save time. */
  readonly spareBytes?: number;
}

/** What the stream has to know of it. */
export interface TaskShape {
  /** Chunks begin at multiples of so many elements. */
  readonly unit: number;
  readonly passes: number;
  /** Bytes that the method keeps besides a few blocks. */
  readonly workingBytes: number;
}

export interface ChunkCommand {
  /** Statistics pass, `combine`, or everything where the chunk is the whole tensor. */
  readonly step: number | 'combine' | 'whole';
  /** Stored bytes of the chunk, one an input, each aligned to 64 bytes; or where the whole tensor lies. */
  readonly inputs: readonly (Uint8Array | FileRange)[];
  /** Gets the stored bytes of the result, but in a statistics pass; or where those of the whole tensor go. */
  readonly output: Uint8Array | FileRange;
  /** First element of the chunk in the tensor. */
  readonly offset: number;
  readonly count: number;
  /** Ends the pass. */
  readonly last: boolean;
}

/** What the summary and the checks need of a combined chunk; sums over its elements in order. */
export interface ChunkResult {
  /** Sum of (out - reference) squared. */
  readonly change: number;
  /** Sum of reference squared. */
  readonly norm: number;
  readonly nonFinite: number;
  /** Flat index of the first value that is not finite, or -1. */
  readonly firstNonFinite: number;
  /** Input that is not finite there, or -1. */
  readonly blamed: number;
  /** What the method says of the tensor, with the last chunk. */
  readonly statistics?: Readonly<Record<string, number>>;
}

/** Float32 memory of a thread, shared by the tensors that it works on one after the other. */
export interface Scratch {
  /** Vector `k` of exactly `length` elements; what it holds is lost at the next call for `k`. */
  vector(k: number, length: number): Float32Array;
  /** Stored bytes on their way from or to a file, as `vector`. */
  bytes(k: number, length: number): Uint8Array;
  dispose(): void;
}

export function createScratch(kernels: Kernels): Scratch {
  const vectors: Float32Array[] = [];
  const stored: Uint8Array[] = [];
  const buffers: (KernelBuffer | undefined)[] = [];
  const allocate = (k: number, length: number): Float32Array => {
    // A method calls several kernels with the same vectors, and WASM memory may move at each: it gets copies.
    if (kernels.backend === 'wasm') return new Float32Array(length);
    buffers[k]?.dispose();
    const buffer = kernels.alloc(length);
    buffers[k] = buffer;
    return buffer.f32();
  };
  return {
    vector(k, length) {
      if (vectors[k] === undefined || vectors[k].length < length)
        vectors[k] = allocate(k, Math.max(length, BLOCK));
      return vectors[k].length === length ? vectors[k] : vectors[k].subarray(0, length);
    },
    bytes(k, length) {
      if (stored[k] === undefined || stored[k].length < length) stored[k] = new Uint8Array(length);
      return stored[k].subarray(0, length);
    },
    dispose: () => {
      for (const buffer of buffers) buffer?.dispose();
    },
  };
}

/** A method that converts: what `passthrough` and copies to another type do. */
const convert: TensorMerge = { passes: [], combine: (out, [x]) => out.set(x) };

export class TensorTask {
  readonly shape: TaskShape;
  readonly #merge: TensorMerge;
  readonly #inputs: readonly Codec[];
  readonly #output: Codec;
  readonly #rounding: Codec | undefined;

  constructor(
    readonly start: TaskStart,
    method: MergeMethod | undefined,
    private readonly kernels: Kernels,
    private readonly scratch: Scratch,
    private readonly files?: FileAccess,
  ) {
    const { tensor, shape, size, models, base, perModel, global, seed, strict, spareBytes } = start;
    this.#inputs = start.inputs.map((dtype) => createCodec(kernels, dtype, `tensor ${tensor}`));
    this.#output = createCodec(kernels, start.output, `tensor ${tensor}`);
    this.#rounding = start.rounding && createCodec(kernels, start.rounding);
    this.#merge =
      method?.plan({
        ...{ kernels, tensor, shape, size, models, base, perModel, global, seed, strict, spareBytes },
      }) ?? convert;
    const { alignment = 1, passes, workingBytes = 0 } = this.#merge;
    this.shape = { unit: unitOf(alignment, size), passes: passes.length, workingBytes };
  }

  run(command: ChunkCommand): ChunkResult | undefined {
    if (command.step === 'whole') {
      for (let pass = 0; pass < this.shape.passes; pass++) this.#gather(command, pass);
      return this.#combine(command);
    }
    if (command.step === 'combine') return this.#combine(command);
    this.#gather(command, command.step);
    return undefined;
  }

  #gather(command: ChunkCommand, index: number): void {
    const pass = this.#merge.passes[index];
    for (const [begin, end] of this.#pieces(command.count))
      pass.accept(this.#widened(command, begin, end), command.offset + begin);
    if (command.last) pass.end?.();
  }

  #combine(command: ChunkCommand): ChunkResult {
    const { output: dtype, inputs, reference } = this.start;
    let result: ChunkResult = { change: 0, norm: 0, nonFinite: 0, firstNonFinite: -1, blamed: -1 };
    for (const [begin, end] of this.#pieces(command.count)) {
      const views = this.#widened(command, begin, end);
      const out = this.scratch.vector(inputs.length, end - begin);
      this.#merge.combine(out, views, command.offset + begin);
      const { output } = command;
      const first = bytesOf(dtype, begin);
      if (output instanceof Uint8Array) this.#output.narrow(output.subarray(first, bytesOf(dtype, end)), out);
      else {
        const bytes = this.scratch.bytes(inputs.length, bytesOf(dtype, end) - first);
        this.#output.narrow(bytes, out);
        this.#access.write(output, bytesOf(dtype, command.offset) + first, bytes);
      }
      result = this.#measured(result, out, views, reference, command.offset + begin);
    }
    const statistics = command.last ? this.#merge.statistics?.() : undefined;
    return statistics === undefined ? result : { ...result, statistics };
  }

  #measured(
    before: ChunkResult,
    out: Float32Array,
    views: readonly Float32Array[],
    reference: number,
    offset: number,
  ): ChunkResult {
    const { kernels } = this;
    const x = views[reference];
    const dots = new Float64Array(1);
    kernels.dotDeltasF64(dots, [out], out, x);
    const result = {
      ...before,
      change: before.change + dots[0],
      norm: before.norm + kernels.sumSquaresF32(x),
    };
    const limit = overflowLimit(this.start.output);
    // A sum of squares is finite where every term is: no square of a float32 reaches the end of float64.
    if (Number.isFinite(dots[0]) && (limit === Infinity || kernels.maxAbsF32(out) < limit)) return result;
    if (limit === Infinity && kernels.allFiniteF32(out) === 1) return result;
    let { nonFinite, firstNonFinite, blamed } = result;
    for (let i = 0; i < out.length; i++) {
      if (Math.abs(out[i]) < limit) continue;
      nonFinite++;
      if (firstNonFinite >= 0) continue;
      firstNonFinite = offset + i;
      blamed = views.findIndex((view) => !Number.isFinite(view[i]));
    }
    return { ...result, nonFinite, firstNonFinite, blamed };
  }

  /** Inputs of [begin, end) of the chunk as float32. */
  #widened(command: ChunkCommand, begin: number, end: number): Float32Array[] {
    const { scratch } = this;
    const rounding = this.#rounding;
    const { rounded = this.#inputs.length } = this.start;
    return this.#inputs.map((codec, k) => {
      const { dtype } = codec;
      const bytes = this.#stored(command, k, begin, end);
      const rounds = rounding !== undefined && k < rounded && dtype !== rounding.dtype;
      if (dtype === 'F32' && !rounds) return new Float32Array(bytes.buffer, bytes.byteOffset, end - begin);
      const view = scratch.vector(k, end - begin);
      codec.widen(view, bytes);
      if (rounds) roundTo(rounding, view);
      return view;
    });
  }

  /** Stored bytes of input k in [begin, end) of the chunk. From a file they come into a few cached places, again at every pass. */
  #stored({ inputs, offset }: ChunkCommand, k: number, begin: number, end: number): Uint8Array {
    const { dtype } = this.#inputs[k];
    const input = inputs[k];
    const first = bytesOf(dtype, begin);
    if (input instanceof Uint8Array) return input.subarray(first, bytesOf(dtype, end));
    const bytes = this.scratch.bytes(k, bytesOf(dtype, end) - first);
    this.#access.read(input, bytesOf(dtype, offset) + first, bytes);
    return bytes;
  }

  get #access(): FileAccess {
    if (this.files === undefined) throw new Error('this thread reaches no files');
    return this.files;
  }

  *#pieces(count: number): Generator<[begin: number, end: number]> {
    const piece = this.shape.unit * Math.max(1, Math.floor(BLOCK / this.shape.unit));
    for (let begin = 0; begin < count; begin += piece) yield [begin, Math.min(count, begin + piece)];
  }
}

function roundTo(codec: Codec, x: Float32Array): void {
  const bytes = new Uint8Array(x.length * codec.width);
  codec.narrow(bytes, x);
  codec.widen(x, bytes);
}

/**
 * Elements that chunks are multiples of: of the alignment and, where a tensor has room for it, of the block of the sum rule. It
 * depends on the tensor alone, so that the memory budget cannot change a bit.
 */
function unitOf(alignment: number, size: number): number {
  if (alignment >= size) return Math.max(1, size);
  let a = alignment;
  let b = BLOCK;
  while (b !== 0) [a, b] = [b, a % b];
  const common = (alignment / a) * BLOCK;
  return common <= 16 * BLOCK ? common : alignment * Math.max(1, Math.floor(BLOCK / alignment));
}
