/** RegMean layers of a plan, one after another: each is a linear system over its whole weights and Gram matrices. */
import { regMeanSettings } from '../../combine/merge/data-driven.js';
import { regMean } from '../../combine/merge/regmean.js';
import { createCodec, roundTo } from '../../tensor/safetensors/codecs.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { InputTensor, MergePlan, OutputTensor } from '../plan.js';
import { tensorContext } from '../planner/context.js';
import { openInput } from '../stream/altered-input.js';
import { MemoryBudgetError, NonFiniteOutputError } from '../stream/errors.js';
import type { MemoryPlan } from '../stream/memory.js';
import { BLOCK, createScratch } from '../stream/scratch.js';
import type { StreamOptions } from '../stream/stream.js';
import { noteOfReport, type TensorReport } from '../stream/tensor-report.js';
import { TensorTask } from '../stream/tensor-task.js';

export interface GramLayers {
  readonly tensors: readonly TensorReport[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly notes: readonly string[];
}

/** Writes every RegMean layer that the writer does not hold yet. @throws {MemoryBudgetError} if one does not fit into the budget. */
export async function mergeGramLayers(options: StreamOptions): Promise<GramLayers> {
  const { plan, writer, signal, memory } = options;
  const left = plan.outputs.filter(({ name }) => !writer.finished.has(name));
  const layers = gramLayers(plan).filter((layer) => left.includes(layer));
  // All are looked at before the first is read.
  checkGramLayers(layers, memory);
  const tensors: TensorReport[] = [];
  const notes: string[] = [];
  let bytesRead = 0;
  let bytesWritten = 0;
  const bytes = left.reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, product(shape)), 0);
  for (const layer of layers) {
    signal?.throwIfAborted();
    const { weights, grams, bytes: read } = await readLayer(options, layer);
    const [outFeatures, inFeatures] = sidesOf(layer);
    const { coefficients, alpha, layout } = regMeanSettings(tensorContext(plan, layer, options.kernels));
    // A model of weight 0 has no say.
    const counted = coefficients.map((_, k) => k).filter((k) => coefficients[k] > 0);
    const of = <T>(values: readonly T[]): T[] => counted.map((k) => values[k]);
    const { values, ridge } = regMean({
      ...{ inFeatures, outFeatures, layout, alpha },
      weights: of(weights),
      grams: of(grams),
      coefficients: of(coefficients),
      kernels: options.kernels,
    });
    if (ridge > 0)
      notes.push(
        `${layer.name}: the Gram matrices are singular, ${ridge.toPrecision(3)} was added to their diagonal; measure more examples, or lower alpha`,
      );
    const { stored, report } = store(options, layer, values, weights[0]);
    await writer.write(layer.name, 0, stored);
    await writer.finish(layer.name, noteOfReport(report));
    tensors.push(report);
    bytesRead += read;
    bytesWritten += stored.length;
    options.onProgress?.({
      tensorsDone: plan.outputs.length - left.length + tensors.length,
      tensors: plan.outputs.length,
      bytesDone: bytesWritten,
      bytes,
      ...{ bytesRead, bytesWritten },
    });
  }
  return { tensors, bytesRead, bytesWritten, notes };
}

/** The outputs of a plan that are solved as a whole. */
export function gramLayers({ outputs }: MergePlan): OutputTensor[] {
  return outputs.filter(({ method }) => method?.name === 'regmean');
}

/** @throws {MemoryBudgetError} for the first layer that does not fit. */
export function checkGramLayers(layers: readonly OutputTensor[], { budget, free }: MemoryPlan): void {
  for (const layer of layers) {
    const needed = layerBytes(layer);
    if (needed > free) throw new MemoryBudgetError(layer.name, budget + needed - free, budget);
  }
}

/** Memory that a layer takes at once: what is read as float32, and the float64 system with its factor. */
export function layerBytes(layer: OutputTensor): number {
  const [m, n] = sidesOf(layer);
  const { measurements = 0 } = layer;
  const read = 4 * measurements * (m * n + n * n);
  // The widest stored matrix is there beside its values while it is read.
  const stored = Math.max(...layer.inputs.map(({ dtype, shape }) => bytesOf(dtype, product(shape))));
  return read + stored + 8 * (3 * n * n + m * n) + 8 * m * n;
}

function sidesOf({ shape, global }: OutputTensor): [outFeatures: number, inFeatures: number] {
  return global.conv1d === 1 ? [shape[1], shape[0]] : [shape[0], shape[1]];
}

async function readLayer(options: StreamOptions, layer: OutputTensor) {
  const { inputs, measurements = 0, shape, mathDtype } = layer;
  const { kernels, sources } = options;
  const infoOf = (model: number, name: string) => {
    const info = sources[model].tensors.get(name);
    if (info === undefined) throw new Error(`tensor ${name} of input ${model} was there when it was planned`);
    return info;
  };
  let bytes = 0;
  const read = async (input: InputTensor, size: number): Promise<Float32Array> => {
    const values = new Float32Array(size);
    await openInput({ sources, kernels, infoOf }, input)(values, 0);
    bytes += bytesOf(input.dtype, size);
    return values;
  };
  const weights: Float32Array[] = [];
  const grams: Float32Array[] = [];
  const width = sidesOf(layer)[1];
  for (const input of inputs.slice(0, -measurements)) {
    const values = await read(input, product(shape));
    // A recipe's `dtype` is the type models are loaded in.
    if ((mathDtype === 'BF16' || mathDtype === 'F16') && input.dtype !== mathDtype)
      roundTo(createCodec(kernels, mathDtype, layer.name), values);
    weights.push(values);
  }
  for (const input of inputs.slice(-measurements))
    grams.push(symmetric(await read(input, product(input.shape)), width));
  return { weights, grams, bytes };
}

/** The whole matrix from its upper triangle, in rows of full or of shrinking length. */
function symmetric(values: Float32Array, n: number): Float32Array {
  const isPacked = values.length !== n * n;
  const whole = isPacked ? new Float32Array(n * n) : values;
  for (let i = 0, at = 0; i < n; i++)
    for (let j = i; j < n; j++, at++) {
      const value = isPacked ? values[at] : values[i * n + j];
      whole[i * n + j] = value;
      whole[j * n + i] = value;
    }
  return whole;
}

/** Rounds to the output's type, with the checks and figures that the stream has for every tensor. */
function store(
  { plan, kernels }: StreamOptions,
  layer: OutputTensor,
  values: Float32Array,
  first: Float32Array,
): { stored: Uint8Array; report: TensorReport } {
  const size = values.length;
  const { name, shape, dtype, inputs } = layer;
  const scratch = createScratch(kernels);
  const models = [name, plan.models[inputs[0].model].reference];
  const start = {
    tensor: name,
    shape,
    size,
    models,
    base: -1,
    perModel: {},
    global: {},
    seed: 0,
    strict: plan.strict,
  };
  const task = new TensorTask(
    { ...start, inputs: ['F32', 'F32'], output: dtype, reference: 1 },
    undefined,
    kernels,
    scratch,
  );
  const stored = new Uint8Array(bytesOf(dtype, size));
  const bytes = (x: Float32Array): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  const report = { change: 0, norm: 0 };
  try {
    for (let offset = 0; offset < size; offset += BLOCK) {
      const end = Math.min(size, offset + BLOCK);
      const result = task.run({
        step: 'combine',
        inputs: [values, first].map((x) => bytes(x.subarray(offset, end))),
        output: stored.subarray(bytesOf(dtype, offset), bytesOf(dtype, end)),
        ...{ offset, count: end - offset, last: end === size },
      });
      if (result === undefined) continue;
      if (result.nonFinite > 0) throw new NonFiniteOutputError(name, result.nonFinite, result.firstNonFinite);
      report.change += result.change;
      report.norm += result.norm;
    }
  } finally {
    scratch.dispose();
  }
  const { change, norm } = report;
  return {
    stored,
    report: {
      ...{ tensor: name, method: 'regmean', size, nonFinite: 0 },
      changeNorm: Math.sqrt(change),
      referenceNorm: Math.sqrt(norm),
    },
  };
}

function product(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}
