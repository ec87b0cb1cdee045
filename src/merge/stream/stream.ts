/** Runs a plan: every output is read, computed and written in chunks, by all lanes. */
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { ModelWriter } from '../../tensor/safetensors/writer.js';
import { MergeError } from '../errors.js';
import type { MergePlan, OutputTensor } from '../plan.js';
import { tensorFacts } from '../planner/context.js';
import { isAltered } from './altered-input.js';
import { NonFiniteOutputError } from './errors.js';
import type { Lane } from './lane.js';
import { type Begun as BegunShare, LaneRun, type LaneRunOptions, type Step } from './lane-run.js';
import { type ChunkNeeds, chunkElements, keepsInputs } from './memory.js';
import { readerOf, widthOf } from './readers.js';
import { type Share, schedule } from './schedule.js';
import { createScratch } from './scratch.js';
import type { ChunkResult, TaskShape, TaskStart } from './task.js';
import { noteOfReport, reportOfNote, type TensorReport } from './tensor-report.js';
import { TensorTask } from './tensor-task.js';

export interface StreamProgress {
  /** Models are looked at as a whole, before anything is written: `trim_scope: model`. */
  readonly ranking?: true;
  readonly tensorsDone: number;
  readonly tensors: number;
  /** Of outputs, with every pass over their inputs counted as far as it is known. */
  readonly bytesDone: number;
  readonly bytes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export interface StreamOptions extends LaneRunOptions {
  readonly writer: ModelWriter;
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
  return new StreamRun(options).result();
}

interface Begun extends BegunShare {
  readonly shape: Promise<TaskShape>;
}

/** Where the bytes of a tensor come from and go to. */
type Places = Pick<Begun, 'readers' | 'target'>;

/** Nothing is asked of a lane. */
const COPIED: TaskShape = { unit: 1, passes: 0, workingBytes: 0, inOrder: false };

class StreamRun extends LaneRun<Begun> {
  readonly #left = new Map<OutputTensor, number>();
  readonly #results = new Map<OutputTensor, ChunkResult[]>();
  readonly #reports = new Map<string, TensorReport>();
  readonly #bytes: number;
  #done = 0;
  #bytesDone = 0;
  #bytesWritten = 0;

  constructor(private readonly options: StreamOptions) {
    const { plan, writer, kernels } = options;
    const outputs = plan.outputs.filter(({ name }) => !writer.finished.has(name));
    const queue = schedule(outputs, (output) => startOf(plan, output), kernels, options.lanes.length);
    super(options, queue);
    for (const { output } of queue) this.#left.set(output, (this.#left.get(output) ?? 0) + 1);
    this.#bytes = outputs.reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, sizeOf(shape)), 0);
    this.#done = plan.outputs.length - outputs.length;
    for (const { name, shape } of plan.outputs) {
      const report = reportOfNote(writer.notes?.get(name), name, sizeOf(shape));
      if (writer.finished.has(name) && report !== undefined) this.#reports.set(name, report);
    }
  }

  async result(): Promise<StreamResult> {
    await this.drive();
    return {
      tensors: this.options.plan.outputs.flatMap(({ name }) => this.#reports.get(name) ?? []),
      bytesRead: this.bytesRead,
      bytesWritten: this.#bytesWritten,
    };
  }

  protected begin(lane: Lane, share: Share, id: number): Begun {
    const { output } = share;
    const places = this.#places(output);
    if (isCopied(output)) return { ...places, share, id, shape: Promise.resolve(COPIED) };
    const shape = lane.begin(id, this.#start(output, places));
    shape.catch(() => {});
    return { ...places, share, id, shape };
  }

  #places(output: OutputTensor): Places {
    const { lanes, writer } = this.options;
    // Bytes that are only copied, or compared, are needed here.
    const files = lanes[0].reachesFiles && output.method !== undefined;
    return {
      readers: output.inputs.map((input) => readerOf(this.options, input, files)),
      target: files ? writer.rangeOf?.(output.name) : undefined,
    };
  }

  #start(output: OutputTensor, { readers }: Places): TaskStart {
    const { plan, memory } = this.options;
    const inputs = readers.map(({ dtype }) => dtype);
    return { ...startOf(plan, output), inputs, spareBytes: memory.spareBytes };
  }

  protected async *chunks({ shape, ...common }: Begun): AsyncGenerator<Step> {
    const { share } = common;
    const { output, begin, end } = share;
    const known = await shape;
    const { passes } = known;
    const { memory } = this.options;
    const needs = needsOf(share, common, known);
    const whole = begin === 0 && end === sizeOf(output.shape);
    const keeps = whole && passes > 0 && keepsInputs(memory, needs);
    const chunk = keeps ? end : chunkElements(memory, needs, () => this.#allNeeds());
    if (whole && chunk >= end) {
      yield { ...common, step: 'whole', keeps, times: keeps ? 1 : passes + 1, begin, end, last: true };
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

  #allNeeds(): ChunkNeeds[] {
    const { kernels } = this.options;
    return [...this.#left.keys()].map((output) => {
      const places = this.#places(output);
      const { shape } = isCopied(output)
        ? { shape: COPIED }
        : new TensorTask(this.#start(output, places), output.method, kernels, createScratch(kernels));
      return needsOf({ output, begin: 0, end: sizeOf(output.shape) }, places, shape);
    });
  }

  protected outputBytes({ target, share, begin, end }: Step): number {
    return target === undefined ? bytesOf(share.output.dtype, end - begin) : 0;
  }

  protected async compute(lane: Lane, step: Step, places: readonly Uint8Array[]): Promise<void> {
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
        keeps: step.keeps,
      };
      const result = await this.ran(step, lane.run(step.id, command));
      if (result === undefined) return;
      this.#note(share, result);
    }
    this.check();
    if (target === undefined)
      await this.options.writer.write(output.name, begin, copied ? places[0] : stored);
    const bytes = bytesOf(output.dtype, end - begin);
    this.#bytesWritten += bytes;
    this.#bytesDone += bytes;
    if (step.last) {
      if (!copied) lane.end(step.id);
      await this.verify(step);
      await this.#finishShare(output);
    }
    this.#tell();
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
    const kept = parts.find((part) => part.kept !== undefined)?.kept;
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
      ...(kept !== undefined && { kept }),
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
      bytesRead: this.bytesRead,
      bytesWritten: this.#bytesWritten,
    });
  }
}

function needsOf(
  { output, begin, end }: Share,
  { readers, target }: Places,
  { unit, workingBytes }: TaskShape,
): ChunkNeeds {
  const outputWidth = bytesOf(output.dtype, 1);
  return {
    tensor: output.name,
    size: end - begin,
    unit,
    inputs: readers.length,
    slotWidth: widthOf(readers, false) + (target === undefined ? outputWidth : 0),
    fileWidth: widthOf(readers, true) + (target === undefined ? 0 : outputWidth),
    workingBytes,
  };
}

/** Whether the stored bytes are those of the input. */
function isCopied({ method, inputs: [first], dtype }: OutputTensor): boolean {
  return method === undefined && first.dtype === dtype && !isAltered(first);
}

/** What a lane is told of a tensor. */
export function startOf(plan: MergePlan, output: OutputTensor): TaskStart {
  const { method, inputs, base, mathDtype, dtype, measurements = 0 } = output;
  return {
    ...tensorFacts(plan, output),
    method: method?.name,
    inputs: inputs.map((input) => (isAltered(input) ? 'F32' : input.dtype)),
    rounding: mathDtype === 'BF16' || mathDtype === 'F16' ? mathDtype : undefined,
    rounded: inputs.length - measurements,
    output: dtype,
    reference: Math.max(0, base),
  };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
