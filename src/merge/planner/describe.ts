/** What a plan will do, for `--dry-run`: as data, and as text for a person. */
import { inWords } from '../../combine/merge/parameters.js';
import type { Kernels } from '../../kernels/kernels.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { InputTensor, MergePlan, OutputTensor, TensorDtype } from '../plan.js';
import { gramLayers, layerBytes } from '../sidecars/gram-layers.js';
import { tensorContext } from './context.js';
import { describeTrims, type TrimDescription, trimmedPools } from './trim-pools.js';

export interface TensorDescription {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  /** Method name, or `copy`. */
  readonly method: string;
  readonly inputs: readonly { readonly model: string; readonly name: string; readonly dtype: TensorDtype }[];
  /**
   * Times that the inputs are read, at most: where all entries that equal the threshold of a whole model are kept, it is once less, and what
   * a worker has room to keep it reads once for the passes of a merge.
   */
  readonly passes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly perModel: Readonly<Record<string, readonly number[]>>;
  readonly global: Readonly<Record<string, number | string>>;
}

export interface PlanDescription {
  readonly models: readonly {
    readonly reference: string;
    readonly path: string;
    /** Of a file of measurements: examples behind them. */
    readonly examples?: number;
  }[];
  readonly tensors: readonly TensorDescription[];
  readonly parameters: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /**
   * Estimate: chunks of all inputs of the widest tensor as stored and as float32, and the result, times the workers. Inputs that workers keep
   * between passes, within the budget, come on top.
   */
  readonly peakBytes: number;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Models that are trimmed as a whole, and how many of their entries are kept. */
  readonly trimmed?: readonly TrimDescription[];
  readonly files: readonly string[];
  /** What looks wrong. */
  readonly warnings: readonly string[];
  /** Plans of the documents before, whose outputs this one may use. */
  readonly steps?: readonly PlanStep[];
}

/** The plan of a document that others use. */
export interface PlanStep extends PlanDescription {
  readonly name: string;
}

export interface DescribeOptions {
  /** Asks each method for its statistics passes; nothing is computed. */
  readonly kernels: Kernels;
  /** Elements of a chunk. Default: 1,048,576. */
  readonly chunkElements?: number;
  /** Chunks in work at a time. Default: 1. */
  readonly workers?: number;
}

export function describePlan(plan: MergePlan, options: DescribeOptions): PlanDescription {
  const { chunkElements = 1 << 20, workers = 1 } = options;
  const ranked = rankedInputs(plan);
  const tensors = plan.outputs.map((output) =>
    describeTensor(plan, output, options.kernels, ranked.get(output) ?? []),
  );
  const trimmed = describeTrims(plan);
  const sum = (of: (tensor: TensorDescription) => number) =>
    tensors.reduce((total, tensor) => total + of(tensor), 0);
  const peak = plan.outputs.reduce((most, output) => {
    const elements = Math.min(chunkElements, sizeOf(output.shape));
    const stored = output.inputs.reduce((total, input) => total + bytesOf(input.dtype, elements), 0);
    const result = 4 * elements + bytesOf(output.dtype, elements);
    const widened = output.method === undefined ? 0 : 4 * elements * output.inputs.length + result;
    return Math.max(most, stored + widened);
  }, 0);
  const layers = gramLayers(plan).reduce((most, layer) => Math.max(most, layerBytes(layer)), 0);
  return {
    models: plan.models.map(({ reference, path, sidecar }) => ({
      reference,
      path,
      ...(sidecar?.examples !== undefined && { examples: sidecar.examples }),
    })),
    tensors,
    parameters: plan.outputs.reduce((total, { shape }) => total + sizeOf(shape), 0),
    bytesRead: sum(({ bytesRead }) => bytesRead),
    bytesWritten: sum(({ bytesWritten }) => bytesWritten),
    peakBytes: Math.max(Math.ceil(peak) * workers, layers),
    ...(plan.config && { config: plan.config }),
    ...(trimmed.length > 0 && { trimmed }),
    files: plan.files.map(({ name }) => name),
    warnings: [...plan.warnings, ...suspicions(plan)],
  };
}

/** Sweeps over what `trim_scope: model` trims, before the merge. */
const SWEEPS = 3;

/** Inputs that are counted in the sweeps, with the base. */
function rankedInputs(plan: MergePlan): Map<OutputTensor, InputTensor[]> {
  const ranked = new Map<OutputTensor, InputTensor[]>();
  for (const { tensors } of trimmedPools(plan))
    for (const { output, input } of tensors) {
      const { inputs, base } = output;
      ranked.set(output, [...(ranked.get(output) ?? [inputs[base]]), inputs[input]]);
    }
  return ranked;
}

function describeTensor(
  plan: MergePlan,
  output: OutputTensor,
  kernels: Kernels,
  ranked: readonly InputTensor[],
): TensorDescription {
  const { name, shape, dtype, method, inputs, perModel, global } = output;
  const models = inputs.map(({ model }) => plan.models[model].reference);
  const passes =
    method === undefined ? 1 : 1 + method.plan(tensorContext(plan, output, kernels)).passes.length;
  const stored = (some: readonly InputTensor[]): number =>
    some.reduce((total, input) => total + bytesOf(input.dtype, sizeOf(input.shape)), 0);
  const sweeps = ranked.length > 0 ? SWEEPS : 0;
  return {
    name,
    shape,
    dtype,
    method: method?.name ?? 'copy',
    inputs: inputs.map((input: InputTensor, k) => ({
      model: models[k],
      name: input.name,
      dtype: input.dtype,
    })),
    passes: sweeps + passes,
    bytesRead: stored(inputs) * passes + stored(ranked) * sweeps,
    bytesWritten: bytesOf(dtype, sizeOf(shape)),
    perModel,
    global: inWords(method, global),
  };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** What is allowed and seldom meant. */
function suspicions(plan: MergePlan): string[] {
  const found: string[] = [];
  if (plan.outputs.length === 0) found.push('the output has no tensors');
  const merged = plan.outputs.filter(({ method }) => method !== undefined);
  for (const name of ['weight', 'density']) {
    const zero = merged.filter(({ perModel, base, inputs }) => {
      const values = perModel[name]?.filter((_, k) => k !== base);
      return values !== undefined && inputs.length > 1 && values.length > 0 && values.every((v) => v === 0);
    });
    if (zero.length > 0) found.push(`${name} is 0 for all models in ${named(zero)}`);
  }
  const twice = merged.filter(({ inputs }) => {
    const keys = inputs.map(({ model, name, adapter }) => `${model} ${name} ${adapter?.a}`);
    return new Set(keys).size < keys.length;
  });
  if (twice.length > 0)
    found.push(`a model is listed twice: ${named(twice)} takes one tensor more than once`);
  const narrowed = plan.outputs.filter(({ dtype, inputs, measurements = 0 }) =>
    inputs
      .slice(0, inputs.length - measurements)
      .some((input) => bytesOf(input.dtype, 2) > bytesOf(dtype, 2)),
  );
  if (narrowed.length > 0) found.push(`stored in a smaller type than the inputs have: ${named(narrowed)}`);
  return found;
}

function named(outputs: readonly OutputTensor[]): string {
  const [first] = outputs;
  return outputs.length === 1 ? first.name : `${outputs.length} tensors, as ${first.name}`;
}

/** The description as lines of text; tensors that differ only in their layer share a line. */
export function formatPlan(description: PlanDescription): string {
  const { steps = [] } = description;
  const before = steps.map((step) => `document ${step.name}\n${formatOne(step)}\n`).join('');
  return `${before}${before === '' ? '' : 'final document\n'}${formatOne(description)}`;
}

function formatOne(description: PlanDescription): string {
  const lines = description.models.map(({ reference, path, examples }, i) => {
    const place = path === reference ? '' : `  (${path})`;
    const measured =
      examples === undefined ? '' : `  measured on ${examples.toLocaleString('en-US')} examples`;
    return `model ${i + 1}  ${reference}${place}${measured}`;
  });
  const rows = grouped(description.tensors);
  const header = ['tensor', 'count', 'shape', 'type', 'method', 'passes', 'inputs'];
  const cells = rows.map(({ pattern, count, tensor }) => [
    pattern,
    String(count),
    `[${tensor.shape.join(', ')}]`,
    tensor.dtype,
    tensor.method,
    String(tensor.passes),
    String(tensor.inputs.length),
  ]);
  const widths = header.map((title, i) =>
    cells.reduce((widest, row) => Math.max(widest, row[i].length), title.length),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  lines.push('', line(header));
  for (const row of cells) lines.push(line(row));
  lines.push(
    '',
    `parameters    ${description.parameters.toLocaleString('en-US')}`,
    `to read       ${bytes(description.bytesRead)}`,
    `to write      ${bytes(description.bytesWritten)}`,
    `peak memory   about ${bytes(description.peakBytes)} for tensors`,
  );
  for (const { model, tensors, elements, kept } of description.trimmed ?? [])
    lines.push(
      `trimmed       ${model}: ${kept.toLocaleString('en-US')} of ${elements.toLocaleString('en-US')} entries are kept, over ${tensors} tensors`,
    );
  if (description.files.length > 0) lines.push(`files         ${description.files.join(', ')}`);
  for (const warning of description.warnings) lines.push(`warning       ${warning}`);
  return `${lines.join('\n')}\n`;
}

interface Group {
  readonly pattern: string;
  count: number;
  readonly tensor: TensorDescription;
}

function grouped(tensors: readonly TensorDescription[]): Group[] {
  const groups = new Map<string, Group>();
  for (const tensor of tensors) {
    const pattern = tensor.name.replace(/\.\d+\./, '.*.');
    const key = `${pattern} ${tensor.shape} ${tensor.dtype} ${tensor.method} ${tensor.inputs.length} ${tensor.passes}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { pattern, count: 1, tensor });
    else group.count += 1;
  }
  return [...groups.values()].map((group) =>
    group.count > 1 ? group : { ...group, pattern: group.tensor.name },
  );
}

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}
