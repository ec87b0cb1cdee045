/** `heddle bench kernels`: the kernels of the table at their bench sizes, each checked before it is timed. */
import type { AnyArray, KernelBuffer } from '../../kernels/buffer.js';
import { type Case, type Dtype, evaluateLength, type KernelSpec } from '../../kernels/define.js';
import type { Kernels } from '../../kernels/kernels.js';
import { type CallArgs, makeOperands } from '../../kernels/operands.js';
import { callKernel, differenceFromReference } from '../../kernels/self-check.js';
import { type KernelName, kernelNames, specs } from '../../kernels/table.js';
import {
  compareTimes,
  median,
  type PairedRatio,
  pairedRatio,
  relativeSpread,
  type Verdict,
} from './statistics.js';
import { type Candidate, timeInTurn } from './timing.js';

/** One kernel at one size on one back end. */
export interface KernelRow {
  kernel: KernelName;
  /** The case in short, and all of its sizes and scalars. */
  size: string;
  case: Case;
  backend: string;
  isa: string;
  medianSeconds: number;
  /** Half the interquartile distance over the median. */
  spread: number;
  samples: number;
  gigabytesPerSecond?: number;
  gigaflopsPerSecond?: number;
  /** Rate over that of a plain copy or read of 64 MB measured in the same turns. */
  ofCeiling?: PairedRatio & { ceiling: 'copy' | 'read' };
  /** This back end's speed over that of WebAssembly in the same turns, and whether the samples tell them apart. */
  againstWasm?: PairedRatio & { verdict: Verdict };
}

export interface KernelBenchOptions {
  /** Every back end that takes part; the one called `wasm`, if any, is what the others are compared with. */
  backends: readonly Kernels[];
  /** Kernels whose name or family contains this text, in any case. */
  filter?: string;
  /** Seconds for each kernel and back end. */
  secondsEach: number;
  turns: number;
  onRow?: (rows: readonly KernelRow[]) => void;
  onCheckFailed?: (kernel: KernelName, backend: string, difference: string) => void;
}

export interface KernelBenchResult {
  rows: KernelRow[];
  /** Kernels that differ from the reference; they are not timed. */
  failed: { kernel: KernelName; backend: string; difference: string }[];
  /** What the ceilings reached over the whole run, in GB/s (median of the turns). */
  ceilings: { copy: number; read: number };
}

/** Operands of 64 MB: larger than the last-level cache, as the kernels' own. */
const CEILING_ELEMENTS = 1 << 24;
/** A prime, so that no period of the values meets a power of two of the kernels' blocking. */
const VALUE_PERIOD = 65_537;
/** A bench checks a kernel at cases of at most this many elements, so that the reference takes no time. */
const CHECKED_ELEMENTS = 20_000;

export function selectKernels(filter?: string): KernelName[] {
  const wanted = filter?.toLowerCase();
  return kernelNames.filter((name) => {
    const spec: KernelSpec = specs[name];
    if (spec.bench === undefined) return false;
    return wanted === undefined || name.toLowerCase().includes(wanted) || spec.family === wanted;
  });
}

export function benchKernels(options: KernelBenchOptions): KernelBenchResult {
  const result: KernelBenchResult = {
    rows: [],
    failed: [],
    ceilings: { copy: Number.NaN, read: Number.NaN },
  };
  const ceilings = createCeilings();
  const reached = { copy: [] as number[], read: [] as number[] };
  for (const kernel of selectKernels(options.filter)) {
    const backends = options.backends.filter((backend) => {
      const difference = firstDifference(backend, kernel);
      if (difference === undefined) return true;
      result.failed.push({ kernel, backend: nameOf(backend), difference });
      options.onCheckFailed?.(kernel, nameOf(backend), difference);
      return false;
    });
    const spec: KernelSpec = specs[kernel];
    if (backends.length === 0) continue;
    for (const values of spec.bench ?? []) {
      const rows = timeCase(kernel, values, backends, ceilings, reached, options);
      result.rows.push(...rows);
      options.onRow?.(rows);
    }
  }
  result.ceilings = { copy: median(reached.copy), read: median(reached.read) };
  return result;
}

function nameOf({ backend, isa }: Kernels): string {
  return `${backend} ${isa}`;
}

/** The first small case of the table at which a back end differs from the reference. */
function firstDifference(kernels: Kernels, kernel: KernelName): string | undefined {
  const spec: KernelSpec = specs[kernel];
  const small = spec.cases.filter((values) => operandElements(spec, values) <= CHECKED_ELEMENTS);
  for (const values of small.slice(-3)) {
    try {
      const difference = differenceFromReference(kernels, kernel, values);
      if (difference !== undefined) return `${sizeText(values)}: ${difference}`;
    } catch (error) {
      return `${sizeText(values)}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return undefined;
}

function operandElements(spec: KernelSpec, values: Case): number {
  const scalars = scalarsOf(spec, values);
  return spec.args.reduce(
    (sum, arg) => sum + (arg.kind === 'scalar' ? 0 : evaluateLength(arg.length, scalars)),
    0,
  );
}

function scalarsOf(spec: KernelSpec, values: Case): Record<string, number> {
  const scalars: Record<string, number> = { ...values };
  for (const arg of spec.args) if (arg.kind === 'scalar') scalars[arg.name] ??= arg.test;
  return scalars;
}

/** A case as people name it: 16 Mi, 10x200x784 NT, 10x1x28x28 to 32x28x28 by 5x5. */
function sizeText(values: Case): string {
  const { batch, m, n, k, transA = 0, transB = 0, ...rest } = values;
  if (m !== undefined && k !== undefined) return `${m}x${n}x${k} ${'NT'[transA]}${'NT'[transB]}`;
  if (batch !== undefined && rest.outChannels !== undefined) {
    const { inChannels, height, width, outChannels, outHeight, outWidth, kernelHeight, kernelWidth } = rest;
    const from = `${batch}x${inChannels}x${height}x${width}`;
    return `${from} to ${outChannels}x${outHeight}x${outWidth} by ${kernelHeight}x${kernelWidth}`;
  }
  return Object.entries(values)
    .map(([name, value]) => `${name}=${binaryNumber(value)}`)
    .join(' ');
}

function binaryNumber(value: number): string {
  if (value >= 1 << 20 && value % (1 << 20) === 0) return `${value >> 20}Mi`;
  return String(value);
}

interface Ceiling {
  run: () => unknown;
  bytes: number;
}

/** A plain copy (`memmove` of the runtime) and a plain read (`memcmp` of two equal arrays), one thread. */
function createCeilings(): Record<'copy' | 'read', Ceiling> {
  const from = new Float32Array(CEILING_ELEMENTS).fill(0.25);
  const to = new Float32Array(from);
  const [a, b] = [from, to].map((array) => Buffer.from(array.buffer));
  const bytes = 2 * from.byteLength;
  return { copy: { run: () => to.set(from), bytes }, read: { run: () => Buffer.compare(a, b), bytes } };
}

/**
 * Kernels that change their own input toward a state in which they do less work get another scalar at each call:
 * a vector that is clipped once is never clipped again, and one scaled sixty times by 0.7 becomes subnormal.
 */
const CHANGING_SCALARS: Partial<Record<KernelName, (call: number) => Record<string, number>>> = {
  clipInPlaceF32: (call) => ({ maxNorm: 2 * 0.99 ** (call % 4000) }),
  scaleF32: (call) => ({ factor: call % 2 === 0 ? -2 : -0.5 }),
};

/** A kernel with its operands in the back end's own memory, and how to give that memory back. */
function prepare(
  kernels: Kernels,
  kernel: KernelName,
  values: Case,
): { run: () => unknown; dispose: () => void } {
  const spec: KernelSpec = specs[kernel];
  const buffers: KernelBuffer<AnyArray>[] = [];
  const place = (array: AnyArray, dtype: Dtype): KernelBuffer<AnyArray> => {
    const buffer = kernels.alloc(array.length, dtype) as KernelBuffer<AnyArray>;
    buffer.view().set(array);
    buffers.push(buffer);
    return buffer;
  };
  const made = makeOperands(spec, values, { seed: 7, specials: 'none', offset: 0, period: VALUE_PERIOD });
  const placed = spec.args.map((arg, i) => {
    const value = made[i];
    if (arg.kind === 'scalar') return value as number;
    if (arg.kind === 'list') return (value as AnyArray[]).map((vector) => place(vector, arg.dtype));
    // An empty array, which leaves an optional operand out, needs no memory.
    const array = value as AnyArray;
    return array.length === 0 ? array : place(array, arg.dtype);
  });
  const dispose = (): void => {
    for (const buffer of buffers) buffer.dispose();
  };
  if (spec.args.some(({ kind }) => kind === 'list')) {
    const args = placed.map((arg) => (Array.isArray(arg) ? arg.map(viewOf) : viewOf(arg))) as CallArgs;
    return { run: () => callKernel(kernels, kernel, args), dispose };
  }
  const operands = placed.filter((arg) => typeof arg !== 'number').map((arg) => viewOf(arg) as AnyArray);
  const bound = kernels.bind(kernel, operands);
  const scalars = placed.filter((arg) => typeof arg === 'number');
  const changing = CHANGING_SCALARS[kernel];
  const names = spec.args.filter(({ kind }) => kind === 'scalar').map(({ name }) => name);
  let call = 0;
  const run = (): void => {
    if (changing)
      for (const [name, value] of Object.entries(changing(call++))) scalars[names.indexOf(name)] = value;
    bound(scalars);
  };
  return { run, dispose };
}

/** All memory is taken before any view is made, because WebAssembly memory moves when it grows. */
function viewOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'view' in value
    ? (value as KernelBuffer<AnyArray>).view()
    : value;
}

function timeCase(
  kernel: KernelName,
  values: Case,
  backends: readonly Kernels[],
  ceilings: Record<'copy' | 'read', Ceiling>,
  reached: Record<'copy' | 'read', number[]>,
  options: KernelBenchOptions,
): KernelRow[] {
  const spec: KernelSpec = specs[kernel];
  const prepared = backends.map((backend) => ({ backend, ...prepare(backend, kernel, values) }));
  const bound = spec.bound === 'copy' || spec.bound === 'read' ? spec.bound : undefined;
  const candidates: Candidate[] = prepared.map(({ backend, run }) => ({ name: nameOf(backend), run }));
  if (bound) candidates.push({ name: bound, run: ceilings[bound].run });
  const timings = timeInTurn(candidates, { seconds: options.secondsEach, turns: options.turns });
  for (const { dispose } of prepared) dispose();

  const scalars = scalarsOf(spec, values);
  const bytes = spec.bytes === undefined ? undefined : evaluateLength(spec.bytes, scalars);
  const flops = spec.flops === undefined ? undefined : evaluateLength(spec.flops, scalars);
  const ceiling = bound && timings.get(bound);
  if (bound && ceiling) reached[bound].push(...ceiling.turns.map((s) => ceilings[bound].bytes / s / 1e9));
  const wasm = backends.find(({ backend }) => backend === 'wasm');
  const wasmTiming = wasm && timings.get(nameOf(wasm));

  return backends.flatMap((backend): KernelRow[] => {
    const timing = timings.get(nameOf(backend));
    if (timing === undefined) return [];
    const seconds = median(timing.samples);
    const row: KernelRow = {
      kernel,
      size: sizeText(values),
      case: values,
      backend: backend.backend,
      isa: backend.isa,
      medianSeconds: seconds,
      spread: relativeSpread(timing.samples),
      samples: timing.samples.length,
    };
    if (bytes !== undefined) row.gigabytesPerSecond = bytes / seconds / 1e9;
    if (flops !== undefined) row.gigaflopsPerSecond = flops / seconds / 1e9;
    if (bound && ceiling && bytes !== undefined)
      row.ofCeiling = {
        ...pairedRatio(
          timing.turns.map((s) => bytes / s),
          ceiling.turns.map((s) => ceilings[bound].bytes / s),
        ),
        ceiling: bound,
      };
    if (wasmTiming && backend !== wasm)
      row.againstWasm = {
        ...pairedRatio(wasmTiming.turns, timing.turns),
        verdict: compareTimes(timing.samples, wasmTiming.samples),
      };
    return [row];
  });
}
