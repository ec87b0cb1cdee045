/** Runs a plan: reading, computing and writing overlap, in buffers whose size a memory budget sets. */
import type { Kernels } from '../../kernels/kernels.js';
import { bytesOf, type StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { FileRange } from '../../tensor/safetensors/file-range.js';
import type { ModelSource, TensorInfo } from '../../tensor/safetensors/source.js';
import type { ModelWriter } from '../../tensor/safetensors/writer.js';
import { MergeError } from '../errors.js';
import type { InputTensor, MergePlan, OutputTensor } from '../plan.js';
import { isAltered, openInput } from './altered-input.js';
import { NonFiniteOutputError } from './errors.js';
import type { Lane } from './lane.js';
import { carve, chunkElements, type MemoryPlan, SLOTS, slotFor } from './memory.js';
import { type Share, schedule } from './schedule.js';
import { noteOfReport, reportOfNote, type TensorReport } from './tensor-report.js';
import type { ChunkResult, TaskShape, TaskStart } from './tensor-task.js';

export interface StreamProgress {
  readonly tensorsDone: number;
  readonly tensors: number;
  /** Of outputs, with every pass over their inputs counted as far as it is known. */
  readonly bytesDone: number;
  readonly bytes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export interface StreamOptions {
  readonly plan: MergePlan;
  /** One for each of the plan's models. */
  readonly sources: readonly ModelSource[];
  readonly writer: ModelWriter;
  readonly lanes: readonly Lane[];
  readonly memory: MemoryPlan;
  readonly kernels: Kernels;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StreamProgress) => void;
}

export interface StreamResult {
  /** Of all outputs; also of those that an interrupted run finished, where the writer kept what it said of them. */
  readonly tensors: readonly TensorReport[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/**
 * Writes every output of the plan that the writer does not hold yet, and says so to the writer; commits nothing.
 *
 * The bytes depend on the plan alone: not on lanes, memory or order.
 *
 * @throws {NonFiniteOutputError} unless the plan is strict; what methods, sources and the writer throw; the signal's reason.
 */
export async function runStream(options: StreamOptions): Promise<StreamResult> {
  const run = new StreamRun(options);
  // All of them, also where one fails: the files that the others write to are closed afterwards.
  const ends = await Promise.allSettled(options.lanes.map((lane) => run.drive(lane)));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return run.result();
}

interface Step {
  readonly share: Share;
  readonly id: number;
  readonly step: number | 'combine' | 'whole';
  readonly begin: number;
  readonly end: number;
  /** Passes that it makes over its elements. */
  readonly times: number;
  /** Last chunk of its pass. */
  readonly last: boolean;
  readonly readers: readonly InputReader[];
  /** Where the lane writes the output by itself. */
  readonly target?: FileRange;
}

interface InputReader {
  readonly dtype: StoredDtype;
  /** Where the lane reads the input by itself. */
  readonly range?: FileRange;
  read(begin: number, end: number, into: Uint8Array): Promise<unknown>;
}

/** A share that a lane has been told of. */
interface Begun {
  readonly share: Share;
  readonly id: number;
  readonly shape: Promise<TaskShape>;
  readonly readers: readonly InputReader[];
  readonly target?: FileRange;
}

class StreamRun {
  readonly #queue: Share[];
  readonly #left = new Map<OutputTensor, number>();
  readonly #results = new Map<OutputTensor, ChunkResult[]>();
  readonly #reports = new Map<string, TensorReport>();
  readonly #bytes: number;
  #failure: { error: unknown } | undefined;
  #nextId = 0;
  #done = 0;
  #bytesDone = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(private readonly options: StreamOptions) {
    const { plan, writer, kernels } = options;
    const outputs = plan.outputs.filter(({ name }) => !writer.finished.has(name));
    this.#queue = schedule(outputs, (output) => startOf(plan, output), kernels, options.lanes.length);
    for (const { output } of this.#queue) this.#left.set(output, (this.#left.get(output) ?? 0) + 1);
    this.#bytes = outputs.reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, sizeOf(shape)), 0);
    this.#done = plan.outputs.length - outputs.length;
    for (const { name, shape } of plan.outputs) {
      const report = reportOfNote(writer.notes?.get(name), name, sizeOf(shape));
      if (writer.finished.has(name) && report !== undefined) this.#reports.set(name, report);
    }
  }

  /** Keeps one lane busy until nothing is left; the first failure of any lane ends all. */
  async drive(lane: Lane): Promise<void> {
    const slots = Array.from({ length: SLOTS }, () => ({
      bytes: undefined as Uint8Array | undefined,
      idle: Promise.resolve() as Promise<void>,
    }));
    let turn = 0;
    try {
      for await (const step of this.#steps(lane)) {
        const slot = slots[turn++ % SLOTS];
        await slot.idle;
        this.#check();
        const lengths = slotLengths(step);
        const needed = slotFor(lengths);
        if (needed > (slot.bytes?.length ?? 0))
          slot.bytes = lane.allocate(Math.max(needed, this.options.memory.slotBytes));
        const places = carve(slot.bytes ?? new Uint8Array(0), lengths);
        const { readers, begin, end } = step;
        await Promise.all(readers.map(({ range, read }, k) => range ?? read(begin, end, places[k])));
        this.#check();
        slot.idle = this.#compute(lane, step, places).catch((error: unknown) => this.#fail(error));
      }
      await Promise.all(slots.map(({ idle }) => idle));
      this.#check();
    } catch (error) {
      this.#fail(error);
      // Nothing may touch the slots or the writer once the failure is known.
      await Promise.all(slots.map(({ idle }) => idle));
      throw this.#failure?.error ?? error;
    }
  }

  result(): StreamResult {
    return {
      tensors: this.options.plan.outputs.flatMap(({ name }) => this.#reports.get(name) ?? []),
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
    };
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #check(): void {
    this.options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Chunks of this lane's share of the work; the next tensor is announced while the current one is computed. */
  async *#steps(lane: Lane): AsyncGenerator<Step> {
    let current = this.#begin(lane);
    while (current !== undefined) {
      const next = this.#begin(lane);
      yield* this.#chunks(current);
      current = next;
    }
  }

  #begin(lane: Lane): Begun | undefined {
    const share = this.#queue.shift();
    if (share === undefined) return undefined;
    const { output } = share;
    const id = this.#nextId++;
    // Bytes that are only copied, or compared, are needed here.
    const files = lane.reachesFiles && output.method !== undefined;
    const readers = output.inputs.map((input) => this.#readerOf(input, files));
    const target = files ? this.options.writer.rangeOf?.(output.name) : undefined;
    if (isCopied(output))
      return { share, id, readers, shape: Promise.resolve({ unit: 1, passes: 0, workingBytes: 0 }) };
    const start = {
      ...startOf(this.options.plan, output),
      inputs: readers.map(({ dtype }) => dtype),
      spareBytes: this.options.memory.spareBytes,
    };
    const shape = lane.begin(id, start);
    shape.catch(() => {});
    return { share, id, readers, target, shape };
  }

  async *#chunks({ share, id, shape, readers, target }: Begun): AsyncGenerator<Step> {
    const { output, begin, end } = share;
    const { unit, passes, workingBytes } = await shape;
    const width = (inFile: boolean): number =>
      readers.reduce(
        (sum, { dtype, range }) => sum + ((range !== undefined) === inFile ? bytesOf(dtype, 1) : 0),
        (target !== undefined) === inFile ? bytesOf(output.dtype, 1) : 0,
      );
    const chunk = chunkElements(this.options.memory, {
      tensor: output.name,
      size: end - begin,
      unit,
      inputs: readers.length,
      slotWidth: width(false),
      fileWidth: width(true),
      workingBytes,
    });
    const common = { share, id, readers, target };
    if (chunk >= end - begin && begin === 0 && end === sizeOf(output.shape)) {
      yield { ...common, step: 'whole', times: passes + 1, begin, end, last: true };
      return;
    }
    for (let pass = 0; pass <= passes; pass++)
      for (let at = begin; at < end; at += chunk) {
        const to = Math.min(end, at + chunk);
        yield {
          ...common,
          step: pass === passes ? 'combine' : pass,
          times: 1,
          begin: at,
          end: to,
          last: to === end,
        };
      }
  }

  async #compute(lane: Lane, step: Step, places: readonly Uint8Array[]): Promise<void> {
    const { share, begin, end, readers, target } = step;
    const { output } = share;
    const stored = places[places.length - 1];
    const copied = isCopied(output);
    if (output.method === undefined) this.#refuseDifferent(output, places.slice(0, -1));
    if (!copied) {
      const command = {
        step: step.step,
        inputs: readers.map(({ range }, k) => range ?? places[k]),
        output: target ?? stored,
        offset: begin,
        count: end - begin,
        last: step.last,
      };
      const result = await lane.run(step.id, command).catch((error: unknown) => this.#blame(step, error));
      this.#countRead(step);
      if (result === undefined) return;
      this.#note(share, result);
    }
    this.#check();
    if (target === undefined)
      await this.options.writer.write(output.name, begin, copied ? places[0] : stored);
    const bytes = bytesOf(output.dtype, end - begin);
    this.#bytesWritten += bytes;
    this.#bytesDone += bytes;
    if (step.last) {
      if (!copied) lane.end(step.id);
      await this.#verify(step);
      await this.#finishShare(output);
    }
    this.#tell();
  }

  /** The lane reads at every pass. */
  #countRead({ readers, begin, end, times }: Step): void {
    for (const { dtype, range } of readers)
      if (range !== undefined) this.#bytesRead += times * bytesOf(dtype, end - begin);
  }

  /** Where an input changed under a lane that read it, that is what went wrong. */
  async #blame(step: Step, error: unknown): Promise<never> {
    await this.#verify(step);
    throw error;
  }

  /** @throws {InputChangedError} if what the lane read by itself is not what was opened. */
  async #verify({ share, readers }: Step): Promise<void> {
    for (const [k, { range }] of readers.entries())
      if (range !== undefined) await this.options.sources[share.output.inputs[k].model].verify();
  }

  /** What cannot be merged can only be kept where all models agree. */
  #refuseDifferent({ name, inputs }: OutputTensor, places: readonly Uint8Array[]): void {
    const [first, ...others] = places;
    const other = others.findIndex((place) => !sameBytes(first, place));
    if (other < 0) return;
    const nameOf = (k: number): string => this.options.plan.models[inputs[k].model].reference;
    throw new MergeError(
      'unsupported_dtype',
      `tensor ${name} of type ${inputs[0].dtype} holds other values in ${nameOf(other + 1)} than in ${nameOf(0)}, and such values cannot be averaged`,
      'leave out one of the models, or take it from one with passthrough',
      { tensor: name, model: nameOf(other + 1) },
    );
  }

  #note({ output }: Share, result: ChunkResult): void {
    const { plan } = this.options;
    if (result.nonFinite > 0 && !plan.strict) {
      const blamed = output.inputs[result.blamed];
      throw new NonFiniteOutputError(
        output.name,
        result.nonFinite,
        result.firstNonFinite,
        blamed && plan.models[blamed.model].reference,
      );
    }
    const before = this.#results.get(output);
    if (before === undefined) this.#results.set(output, [result]);
    else before.push(result);
  }

  async #finishShare(output: OutputTensor): Promise<void> {
    const left = (this.#left.get(output) ?? 1) - 1;
    this.#left.set(output, left);
    if (left > 0) return;
    const parts = this.#results.get(output) ?? [];
    this.#results.delete(output);
    const sum = (key: 'change' | 'norm' | 'nonFinite'): number =>
      parts.reduce((total, part) => total + part[key], 0);
    // Lanes that share a tensor each know a part of it.
    const said = parts.map((part) => part.statistics).filter((one) => one !== undefined);
    const statistics = said.length === 1 ? said[0] : undefined;
    const report: TensorReport = {
      tensor: output.name,
      method: output.method?.name ?? 'copy',
      size: sizeOf(output.shape),
      ...(parts.length > 0 && {
        changeNorm: Math.sqrt(sum('change')),
        referenceNorm: Math.sqrt(sum('norm')),
      }),
      nonFinite: sum('nonFinite'),
      ...(statistics !== undefined && { statistics }),
    };
    await this.options.writer.finish(output.name, noteOfReport(report));
    this.#done++;
    this.#reports.set(output.name, report);
  }

  #tell(): void {
    this.options.onProgress?.({
      tensorsDone: this.#done,
      tensors: this.options.plan.outputs.length,
      bytesDone: this.#bytesDone,
      bytes: this.#bytes,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
    });
  }

  #readerOf(input: InputTensor, files: boolean): InputReader {
    const { sources, kernels } = this.options;
    const info = this.#infoOf(input.model, input.name);
    if (isAltered(input)) {
      const read = openInput({ sources, kernels, infoOf: (m, n) => this.#infoOf(m, n) }, input);
      return {
        dtype: 'F32',
        read: async (begin, end, into) => {
          await read(new Float32Array(into.buffer, into.byteOffset, end - begin), begin);
          this.#bytesRead += bytesOf(info.dtype, end - begin);
        },
      };
    }
    return {
      dtype: info.dtype,
      range: files ? sources[input.model].rangeOf?.(info) : undefined,
      read: async (begin, end, into) => {
        await sources[input.model].readBytes(info, begin, end, into);
        this.#bytesRead += into.length;
      },
    };
  }

  #infoOf(model: number, name: string): TensorInfo {
    const { sources, plan } = this.options;
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
}

/** Whether the stored bytes are those of the input. */
function isCopied({ method, inputs: [first], dtype }: OutputTensor): boolean {
  return method === undefined && first.dtype === dtype && !isAltered(first);
}

/** Bytes of the inputs and of the output of a chunk that go through a slot. */
function slotLengths({ readers, share, target, begin, end }: Step): number[] {
  return [
    ...readers.map(({ dtype, range }) => (range === undefined ? bytesOf(dtype, end - begin) : 0)),
    target === undefined ? bytesOf(share.output.dtype, end - begin) : 0,
  ];
}

function startOf(plan: MergePlan, output: OutputTensor): TaskStart {
  const { name, shape, method, inputs, base, perModel, global, mathDtype, dtype, measurements = 0 } = output;
  return {
    method: method?.name,
    tensor: name,
    shape,
    size: sizeOf(shape),
    models: inputs.map(({ model }) => plan.models[model].reference),
    base,
    perModel,
    global,
    seed: plan.seed,
    strict: plan.strict,
    inputs: inputs.map((input) => (isAltered(input) ? 'F32' : input.dtype)),
    rounding: mathDtype === 'BF16' || mathDtype === 'F16' ? mathDtype : undefined,
    rounded: inputs.length - measurements,
    output: dtype,
    reference: Math.max(0, base),
  };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
