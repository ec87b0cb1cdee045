/**
 * Eight-bit weights whose values are only right with the scales in another tensor: value = stored value * scale of its block.
 *
 * Scales stand beside a weight as `<name>_scale` or `<name>_scale_inv` (both are multiplied): one for all, one a row ([out] or
 * [out, 1]), or one a block ([ceil(out / rows), ceil(in / columns)], 128 x 128 unless `weight_block_size` in config.json says otherwise).
 */
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec } from './codecs.js';
import { isFloatDtype, isTensorDtype, type StoredDtype } from './dtype.js';
import type { ModelSource, TensorInfo } from './source.js';

export interface ScaleInfo {
  /** Name of the tensor with the scales. */
  readonly name: string;
  /** Rows and columns of the weight that share a scale, the weight seen as [out, in]. */
  readonly block: readonly [rows: number, columns: number];
}

interface ShapedTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

const SUFFIXES = ['_scale_inv', '_scale'] as const;
const SCALED: readonly StoredDtype[] = ['F8_E4M3', 'F8_E5M2', 'I8'];
const DEFAULT_BLOCK = [128, 128] as const;

/**
 * The scales of a weight; undefined if it has none.
 *
 * @param config - config.json of the model, for the size of blocks.
 * @returns what is wrong with them as text, where they cannot be applied.
 */
export function findScales(
  tensors: ReadonlyMap<string, ShapedTensor>,
  weight: string,
  config?: Readonly<Record<string, unknown>>,
): ScaleInfo | string | undefined {
  const facts = tensors.get(weight);
  if (facts === undefined || !SCALED.includes(facts.dtype)) return undefined;
  const name = SUFFIXES.map((suffix) => `${weight}${suffix}`).find((one) => tensors.has(one));
  const scales = name === undefined ? undefined : tensors.get(name);
  if (name === undefined || scales === undefined) return undefined;
  if (!isFloatDtype(scales.dtype) || !isTensorDtype(scales.dtype))
    return `its scales ${name} are ${scales.dtype}`;
  if (tensors.has(`${weight}_zero_point`)) return `it has zero points in ${weight}_zero_point`;
  const block = blockOf(facts.shape, scales.shape, config);
  if (block !== undefined) return { name, block };
  return `its scales ${name} [${scales.shape}] do not fit its shape [${facts.shape}]`;
}

/** Scales of activations beside a weight: they mean nothing to one of floats. */
const ACTIVATION_SCALES = ['input_scale', 'activation_scale', 'input_scale_ub'];

export interface ScaledWeights {
  /** By weight. */
  readonly scales: ReadonlyMap<string, ScaleInfo>;
  /** Tensors that are taken in: scales of weights and of activations. */
  readonly taken: ReadonlySet<string>;
  /** The first weight whose scales cannot be applied, and why. */
  readonly problem?: { readonly weight: string; readonly why: string };
}

/** All weights of a model that have scales; undefined if it has none. */
export function scaledWeights(
  tensors: ReadonlyMap<string, ShapedTensor>,
  config?: Readonly<Record<string, unknown>>,
): ScaledWeights | undefined {
  const scales = new Map<string, ScaleInfo>();
  const taken = new Set<string>();
  let problem: ScaledWeights['problem'];
  for (const weight of tensors.keys()) {
    const scale = findScales(tensors, weight, config);
    if (typeof scale === 'string') problem ??= { weight, why: scale };
    if (typeof scale !== 'object') continue;
    scales.set(weight, scale);
    taken.add(scale.name);
    const parent = weight.slice(0, weight.lastIndexOf('.') + 1);
    for (const other of ACTIVATION_SCALES) taken.add(`${parent}${other}`);
  }
  if (scales.size === 0 && problem === undefined) return undefined;
  return { scales, taken, ...(problem && { problem }) };
}

/** What a model computed in before it was quantized: the type of its configuration, else bfloat16. */
export function unquantizedDtype(config: Readonly<Record<string, unknown>> = {}): 'BF16' | 'F16' | 'F32' {
  const inner = config.text_config;
  const nested = typeof inner === 'object' && inner !== null ? (inner as { torch_dtype?: unknown }) : {};
  const named = config.torch_dtype ?? config.dtype ?? nested.torch_dtype;
  return named === 'float16' ? 'F16' : named === 'float32' ? 'F32' : 'BF16';
}

/** The configuration of a model whose weights were made floats. */
export function unquantizedConfig<T extends Readonly<Record<string, unknown>>>(
  config: T,
): Omit<T, 'quantization_config'> {
  const { quantization_config: _, ...rest } = config;
  return rest;
}

function blockOf(
  weight: readonly number[],
  scales: readonly number[],
  config: Readonly<Record<string, unknown>> | undefined,
): ScaleInfo['block'] | undefined {
  const [rows, columns] = matrixOf(weight);
  const count = scales.reduce((n, size) => n * size, 1);
  if (count === 1) return [Math.max(1, rows), Math.max(1, columns)];
  const [scaleRows, scaleColumns] = scales.length === 1 ? [scales[0], 1] : scales;
  if (scales.length > 2 || weight.length !== 2) return undefined;
  if (scaleRows === rows && scaleColumns === 1) return [1, Math.max(1, columns)];
  return [configuredBlock(config), DEFAULT_BLOCK].find(
    (block) =>
      block !== undefined &&
      Math.ceil(rows / block[0]) === scaleRows &&
      Math.ceil(columns / block[1]) === scaleColumns,
  );
}

/** A tensor as rows along its last axes: [out, in]; a vector is one row. */
function matrixOf(shape: readonly number[]): [rows: number, columns: number] {
  if (shape.length < 2) return [1, shape[0] ?? 1];
  return [shape[0], shape.slice(1).reduce((n, size) => n * size, 1)];
}

function configuredBlock(
  config: Readonly<Record<string, unknown>> | undefined,
): ScaleInfo['block'] | undefined {
  const quantization = config?.quantization_config;
  if (typeof quantization !== 'object' || quantization === null) return undefined;
  const size = (quantization as { weight_block_size?: unknown }).weight_block_size;
  if (!Array.isArray(size) || size.length !== 2) return undefined;
  const [rows, columns] = size;
  return Number.isSafeInteger(rows) && Number.isSafeInteger(columns) && rows > 0 && columns > 0
    ? [rows, columns]
    : undefined;
}

/** Multiplies the elements [begin, begin + values.length) of the weight, as they are stored, by their scales. */
export type Scaler = (values: Float32Array, begin: number) => void;

/** Reads the scales of a weight: one float32 a block, whatever the size of the weight. */
export async function loadScaler(
  source: ModelSource,
  weight: Pick<TensorInfo, 'shape'>,
  scale: ScaleInfo,
  kernels: Kernels,
): Promise<Scaler> {
  const info = source.tensors.get(scale.name);
  if (info === undefined) throw new Error(`${source.path} holds no ${scale.name}`);
  const scales = new Float32Array(info.size);
  createCodec(kernels, info.dtype, `tensor ${info.name}`).widen(
    scales,
    await source.readBytes(info, 0, info.size),
  );
  return createScaler(scales, weight.shape, scale.block);
}

/** @param scales - of the blocks, row by row. */
export function createScaler(
  scales: Float32Array,
  shape: readonly number[],
  [blockRows, blockColumns]: ScaleInfo['block'],
): Scaler {
  const [, columns] = matrixOf(shape);
  const perRow = Math.ceil(columns / blockColumns);
  return (values, begin) => {
    for (let at = 0; at < values.length; ) {
      const row = Math.floor((begin + at) / columns);
      const column = begin + at - row * columns;
      const block = Math.floor(column / blockColumns);
      const factor = scales[Math.floor(row / blockRows) * perRow + block];
      const end = Math.min(values.length, at + Math.min(columns, (block + 1) * blockColumns) - column);
      for (; at < end; at++) values[at] *= factor;
    }
  };
}
