import { InvalidArgumentError, ShapeMismatchError } from '../errors.js';
import { DataFormatError, LabelRangeError, NonFiniteDataError } from './errors.js';
import { sharedI32, sharedU32, toShared } from './shared-memory.js';

/**
 * A labelled data set, held once per process: clients are lists of indices into it, never copies.
 *
 * The value a model sees is `(x * scale - mean[channel]) / std[channel]`. Stored bytes are widened batch by batch as
 * `x * f32(scale / std) + f32(-mean / std)`; float32 data that is scaled or shifted is normalised once, in the steps of `gatherF32`.
 */
export interface Dataset {
  /** Used in messages and reports. */
  readonly name: string;
  /** Examples one after another, each row-major in `shape`; in shared memory where the host has it. */
  readonly x: Uint8Array | Float32Array;
  /** Shape of one example: `[channels, height, width]`, or flat. */
  readonly shape: readonly number[];
  /** Values per example: the product of `shape`. */
  readonly exampleSize: number;
  /** Multiplier from stored to model values, as 1 / 255 for pixels. */
  readonly scale: number;
  /** Subtracted after scaling, one per channel. */
  readonly mean?: readonly number[];
  /** Divides after the subtraction, one per channel. */
  readonly std?: readonly number[];
  /** Labels, 0 .. classes - 1. */
  readonly y: Int32Array;
  readonly classes: number;
  /** Number of examples. */
  readonly size: number;
  /** Owner of each example as 0 .. K-1, for the natural partition. */
  readonly clientOf?: Uint32Array;
  /** The owners' own ids, by the numbers in `clientOf`. */
  readonly clientNames?: readonly string[];
}

/** Training and test part of one task. */
export interface TaskData {
  readonly train: Dataset;
  readonly test: Dataset;
}

export interface DatasetOptions {
  /** Used in messages and reports. Default: 'dataset'. */
  name?: string;
  /** `y.length` examples of `shape`; copied into shared memory unless it lies there already. */
  x: Uint8Array | Float32Array;
  shape: readonly number[];
  /** Multiplier from stored to model values, finite and above 0. Default: 1. */
  scale?: number;
  /** One per channel (`shape[0]` of three axes, else one), in scaled units. Default: no shift. */
  mean?: readonly number[];
  /** One per channel, above 0, in scaled units. Default: no division. */
  std?: readonly number[];
  /** Labels, integers 0 .. classes - 1. */
  y: ArrayLike<number>;
  classes: number;
  /** Owner of each example: numbers or strings, one per example. */
  clientOf?: ArrayLike<number | string>;
}

/**
 * Makes a data set from arrays and checks all of it once, so that nothing later has to.
 *
 * @throws {ShapeMismatchError} if the lengths of `x`, `y` or `clientOf` disagree.
 * @throws {DataFormatError} if there are no examples.
 * @throws {LabelRangeError} naming the first label outside 0 .. classes - 1.
 * @throws {NonFiniteDataError} naming the first example with NaN or an infinity.
 * @throws {InvalidArgumentError} for a bad `shape`, `scale`, `mean`, `std` or `classes`.
 * @example dataset({ x: pixels, shape: [784], scale: 1 / 255, y: labels, classes: 10 })
 */
export function dataset(options: DatasetOptions): Dataset {
  const { name = 'dataset', x, shape, scale = 1, mean, std, classes } = options;
  if (!(x instanceof Uint8Array || x instanceof Float32Array))
    throw new InvalidArgumentError('dataset', 'x', 'a Uint8Array or Float32Array', x);
  const exampleSize = checkShape(shape);
  if (!(Number.isFinite(scale) && scale > 0))
    throw new InvalidArgumentError('dataset', 'scale', 'a finite number above 0', scale);
  if (!(Number.isInteger(classes) && classes >= 1))
    throw new InvalidArgumentError('dataset', 'classes', 'an integer of at least 1', classes);
  checkPerChannel('mean', mean, shape, Number.isFinite);
  checkPerChannel('std', std, shape, (value) => Number.isFinite(value) && value > 0);
  const size = options.y.length;
  if (size === 0)
    throw new DataFormatError(name, 'has no examples', 'pass at least one example and its label');
  if (x.length !== size * exampleSize)
    throw new ShapeMismatchError(
      `${name}.x`,
      [size, ...shape],
      x.length % exampleSize === 0 ? [x.length / exampleSize, ...shape] : [x.length],
      `pass ${size * exampleSize} values: ${size} labels times ${exampleSize} values per example`,
    );
  const y = checkLabels(name, options.y, classes);
  if (x instanceof Float32Array) checkFinite(name, x, exampleSize);
  return Object.freeze({
    name,
    x: toShared(x),
    shape: Object.freeze([...shape]),
    exampleSize,
    scale,
    mean: mean && Object.freeze([...mean]),
    std: std && Object.freeze([...std]),
    y,
    classes,
    size,
    ...(options.clientOf && numberClients(name, options.clientOf, size)),
  });
}

/** The same data under another shape of equal size, without a copy (as `[784]` for `[1, 28, 28]`). */
export function withShape(data: Dataset, shape: readonly number[]): Dataset {
  const exampleSize = checkShape(shape);
  if (exampleSize !== data.exampleSize)
    throw new ShapeMismatchError(
      `${data.name}.shape`,
      data.shape,
      shape,
      `choose a shape of ${data.exampleSize} values`,
    );
  if (data.mean !== undefined || data.std !== undefined)
    if (channelsOf(shape) !== channelsOf(data.shape))
      throw new ShapeMismatchError(
        `${data.name}.shape`,
        data.shape,
        shape,
        'keep the channel axis: mean and std are per channel',
      );
  return Object.freeze({ ...data, shape: Object.freeze([...shape]) });
}

/**
 * Model inputs of the chosen examples, one after another.
 *
 * Normative float32 steps: `v = x * f32(scale)`, then `v - f32(mean)`, then `v * f32(1 / std)`, each rounded.
 *
 * @param indices - example indices, trusted to lie in 0 .. size - 1.
 * @param out - at least `indices.length * exampleSize` values; made if absent.
 */
export function gatherF32(data: Dataset, indices: ArrayLike<number>, out?: Float32Array): Float32Array {
  const { x, exampleSize } = data;
  const result = out ?? new Float32Array(indices.length * exampleSize);
  const scale = Math.fround(data.scale);
  const channels = channelsOf(data.shape);
  const plane = exampleSize / channels;
  const normalised = data.mean !== undefined || data.std !== undefined;
  for (let row = 0; row < indices.length; row++) {
    const from = indices[row] * exampleSize;
    const to = row * exampleSize;
    if (!normalised) {
      for (let i = 0; i < exampleSize; i++) result[to + i] = x[from + i] * scale;
      continue;
    }
    for (let c = 0; c < channels; c++) {
      const shift = Math.fround(data.mean?.[c] ?? 0);
      const factor = Math.fround(1 / (data.std?.[c] ?? 1));
      for (let i = c * plane; i < (c + 1) * plane; i++) {
        const shifted = Math.fround(Math.fround(x[from + i] * scale) - shift);
        result[to + i] = shifted * factor;
      }
    }
  }
  return result;
}

/** Channels of an example: the first of three axes, else one. */
export function channelsOf(shape: readonly number[]): number {
  return shape.length === 3 ? shape[0] : 1;
}

/** How often each label occurs. */
export function countLabels(data: Dataset): Uint32Array {
  const counts = new Uint32Array(data.classes);
  for (const label of data.y) counts[label]++;
  return counts;
}

function checkShape(shape: readonly number[]): number {
  let product = 1;
  for (const length of shape) {
    if (!(Number.isInteger(length) && length >= 1))
      throw new InvalidArgumentError('dataset', 'shape', 'a list of integers of at least 1', `[${shape}]`);
    product *= length;
  }
  if (shape.length === 0 || !Number.isSafeInteger(product))
    throw new InvalidArgumentError('dataset', 'shape', 'a list of integers of at least 1', `[${shape}]`);
  return product;
}

function checkPerChannel(
  argument: string,
  values: readonly number[] | undefined,
  shape: readonly number[],
  accepts: (value: number) => boolean,
): void {
  if (values === undefined) return;
  const channels = channelsOf(shape);
  if (values.length !== channels || !values.every(accepts))
    throw new InvalidArgumentError(
      'dataset',
      argument,
      `${channels} finite number(s), one per channel${argument === 'std' ? ', above 0' : ''}`,
      `[${values}]`,
    );
}

function checkLabels(name: string, labels: ArrayLike<number>, classes: number): Int32Array {
  const y = sharedI32(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      throw new LabelRangeError(name, i, label, classes);
    y[i] = label;
  }
  return y;
}

function checkFinite(name: string, x: Float32Array, exampleSize: number): void {
  for (let i = 0; i < x.length; i++)
    if (!Number.isFinite(x[i]))
      throw new NonFiniteDataError(name, Math.floor(i / exampleSize), i % exampleSize, x[i]);
}

/** Numbers the owners 0 .. K-1: numeric ids ascending, then names by code unit, so that input order is no part of it. */
function numberClients(
  name: string,
  owners: ArrayLike<number | string>,
  size: number,
): { clientOf: Uint32Array; clientNames: readonly string[] } {
  if (owners.length !== size)
    throw new ShapeMismatchError(`${name}.clientOf`, [size], [owners.length], 'name one owner per example');
  const distinct = [...new Set(Array.from(owners))];
  for (const owner of distinct)
    if (typeof owner === 'number' ? !Number.isSafeInteger(owner) : typeof owner !== 'string')
      throw new InvalidArgumentError('dataset', 'clientOf', 'integers or strings', owner);
  distinct.sort((a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    return a < b ? -1 : 1;
  });
  const numberOf = new Map(distinct.map((owner, k) => [owner, k]));
  const clientOf = sharedU32(size);
  for (let i = 0; i < size; i++) clientOf[i] = numberOf.get(owners[i]) ?? 0;
  return { clientOf, clientNames: Object.freeze(distinct.map(String)) };
}
