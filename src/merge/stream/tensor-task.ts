/** The computing side of a stream: one tensor at a time, from stored bytes to stored bytes. Runs in threads or in place. */
import type { CodedInputs, MergeMethod, TensorMerge } from '../../combine/merge/method.js';
import type { Kernels } from '../../kernels/kernels.js';
import { type Codec, createCodec } from '../../tensor/safetensors/codecs.js';
import { bytesOf, overflowLimit } from '../../tensor/safetensors/dtype.js';
import type { FileAccess } from '../../tensor/safetensors/file-range.js';
import { BLOCK, type Scratch, storedPieceBlocks } from './scratch.js';
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
    const stored = this.#inputs.format !== undefined && pass.acceptStored !== undefined;
    for (const [begin, end] of this.#pieces(command.count, stored))
      if (stored) pass.acceptStored?.(this.#coded(command, begin, end), command.offset + begin);
      else pass.accept(this.#widened(command, begin, end), command.offset + begin);
    if (command.last) pass.end?.();
  }

  #combine(command: ChunkCommand): ChunkResult {
    const { output: dtype, inputs } = this.start;
    const { output, count, offset } = command;
    const stored =
      this.#merge.combineStored !== undefined && this.#inputs.format !== undefined && dtype === inputs[0];
    let result: ChunkResult = { change: 0, norm: 0, nonFinite: 0, firstNonFinite: -1, blamed: -1 };
    for (const [begin, end] of this.#pieces(count, stored)) {
      const first = bytesOf(dtype, begin);
      const bytes =
        output instanceof Uint8Array
          ? output.subarray(first, bytesOf(dtype, end))
          : this.scratch.bytes(inputs.length, bytesOf(dtype, end) - first);
      result = stored
        ? this.#storedPiece(bytes, result, command, begin, end)
        : this.#widenedPiece(bytes, result, command, begin, end);
      if (!(output instanceof Uint8Array))
        filesOf(this.files).write(output, bytesOf(dtype, offset) + first, bytes);
    }
    if (!command.last) return result;
    const statistics = this.#merge.statistics?.();
    const kept = this.#merge.kept?.();
    return { ...result, ...(statistics && { statistics }), ...(kept && { kept }) };
  }

  /** Results of [begin, end) of the chunk from inputs as they are stored. */
  #storedPiece(
    bytes: Uint8Array,
    before: ChunkResult,
    command: ChunkCommand,
    begin: number,
    end: number,
  ): ChunkResult {
    const codes = new Uint16Array(bytes.buffer, bytes.byteOffset, end - begin);
    const sums = sumsAfter(before);
    this.#merge.combineStored?.(codes, sums, this.#coded(command, begin, end), command.offset + begin);
    const result = withSums(before, sums);
    return this.#staysFinite(sums) ? result : this.#widenedPiece(bytes, before, command, begin, end);
  }

  #widenedPiece(
    bytes: Uint8Array,
    before: ChunkResult,
    command: ChunkCommand,
    begin: number,
    end: number,
  ): ChunkResult {
    const { kernels } = this;
    const { reference, inputs, output } = this.start;
    const views = this.#widened(command, begin, end);
    const out = this.scratch.vector(inputs.length, end - begin);
    this.#merge.combine(out, views, command.offset + begin);
    this.#output.narrow(bytes, out);
    const sums = sumsAfter(before);
    kernels.measureChangeF64(sums, out, views[reference]);
    const result = withSums(before, sums);
    if (this.#staysFinite(sums)) return result;
    const limit = overflowLimit(output);
    if (kernels.allFiniteF32(out) === 1 && kernels.maxAbsF32(out) < limit) return result;
    let { nonFinite, firstNonFinite, blamed } = result;
    for (let i = 0; i < out.length; i++) {
      if (Math.abs(out[i]) < limit) continue;
      nonFinite++;
      if (firstNonFinite >= 0) continue;
      firstNonFinite = command.offset + begin + i;
      blamed = views.findIndex((view) => !Number.isFinite(view[i]));
    }
    return { ...result, nonFinite, firstNonFinite, blamed };
  }

  /**
   * Whether sums of squares say that no result is infinite, NaN, or stored as an infinity: none is larger than the norm of the
   * reference and that of the change together. No square of a float32 reaches the end of float64.
   */
  #staysFinite([change, norm]: Float64Array): boolean {
    return Math.sqrt(change) + Math.sqrt(norm) < overflowLimit(this.start.output) / 2;
  }

  /** Inputs of [begin, end) of the chunk as they are stored. */
  #coded(command: ChunkCommand, begin: number, end: number): CodedInputs {
    const codes = this.#inputs.codes(command, begin, end);
    return { codes, format: this.#inputs.format ?? 0, reference: this.start.reference };
  }

  /** Inputs of [begin, end) of the chunk as float32. */
  #widened(command: ChunkCommand, begin: number, end: number): Float32Array[] {
    return this.start.inputs.map((_, k) => this.#inputs.widened(command, k, begin, end));
  }

  *#pieces(count: number, stored: boolean): Generator<[begin: number, end: number]> {
    const elements = stored ? storedPieceBlocks(this.start.inputs.length) * BLOCK : BLOCK;
    const piece = this.shape.unit * Math.max(1, Math.floor(elements / this.shape.unit));
    for (let begin = 0; begin < count; begin += piece) yield [begin, Math.min(count, begin + piece)];
  }
}

/** Sums that go on from those of the pieces before, block by block: they do not depend on the size of pieces. A NaN is left behind. */
function sumsAfter({ change, norm }: ChunkResult): Float64Array {
  return Number.isFinite(change + norm) ? Float64Array.of(change, norm) : new Float64Array(2);
}

function withSums(before: ChunkResult, [change, norm]: Float64Array): ChunkResult {
  return Number.isFinite(before.change + before.norm)
    ? { ...before, change, norm }
    : { ...before, change: before.change + change, norm: before.norm + norm };
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
