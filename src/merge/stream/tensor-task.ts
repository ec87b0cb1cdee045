/** The computing side of a stream: one tensor at a time, from stored bytes to stored bytes. Runs in threads or in place. */
import type { MergeMethod, TensorMerge } from '../../combine/merge/method.js';
import type { Kernels } from '../../kernels/kernels.js';
import { type Codec, createCodec } from '../../tensor/safetensors/codecs.js';
import { bytesOf, overflowLimit } from '../../tensor/safetensors/dtype.js';
import type { FileAccess } from '../../tensor/safetensors/file-range.js';
import { BLOCK, type Scratch } from './scratch.js';
import { createStoredInputs, filesOf, type StoredInputs } from './stored-inputs.js';
import type { ChunkCommand, ChunkResult, TaskShape, TaskStart } from './task.js';

/** A method that converts: what `passthrough` and copies to another type do. */
const convert: TensorMerge = { passes: [], combine: (out, [x]) => out.set(x) };

export class TensorTask {
  readonly shape: TaskShape;
  readonly #merge: TensorMerge;
  readonly #inputs: StoredInputs;
  readonly #output: Codec;

  constructor(
    readonly start: TaskStart,
    method: MergeMethod | undefined,
    private readonly kernels: Kernels,
    private readonly scratch: Scratch,
    private readonly files?: FileAccess,
  ) {
    const { tensor, shape, size, models, base, perModel, global, seed, strict, spareBytes } = start;
    this.#inputs = createStoredInputs(start, kernels, scratch, files);
    this.#output = createCodec(kernels, start.output, `tensor ${tensor}`);
    this.#merge =
      method?.plan({
        ...{ kernels, tensor, shape, size, models, base, perModel, global, seed, strict, spareBytes },
      }) ?? convert;
    const { alignment = 1, passes, workingBytes = 0, inOrder = false } = this.#merge;
    this.shape = { unit: unitOf(alignment, size), passes: passes.length, workingBytes, inOrder };
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
        filesOf(this.files).write(output, bytesOf(dtype, command.offset) + first, bytes);
      }
      result = this.#measured(result, out, views, reference, command.offset + begin);
    }
    if (!command.last) return result;
    const statistics = this.#merge.statistics?.();
    const kept = this.#merge.kept?.();
    return { ...result, ...(statistics && { statistics }), ...(kept && { kept }) };
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
    return this.start.inputs.map((_, k) => this.#inputs.widened(command, k, begin, end));
  }

  *#pieces(count: number): Generator<[begin: number, end: number]> {
    const piece = this.shape.unit * Math.max(1, Math.floor(BLOCK / this.shape.unit));
    for (let begin = 0; begin < count; begin += piece) yield [begin, Math.min(count, begin + piece)];
  }
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
