/** What the values of a tensor are like, and how two tensors differ: one pass in chunks, so that memory does not grow with the tensor. */
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec } from './codecs.js';
import { dtypeBits, isTensorDtype } from './dtype.js';
import { loadScaler, type ScaleInfo } from './scales.js';
import type { ModelSource, TensorInfo } from './source.js';
import { deltaOfInt64, wideReader } from './wide-values.js';

/** Elements read at a time. */
const CHUNK = 1 << 20;

export interface TensorStatistics {
  /** L2 norm of the finite values. */
  readonly norm: number;
  /** Of the finite values; NaN if there are none. */
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly zeros: number;
  readonly nans: number;
  readonly infinities: number;
}

export interface PassOptions {
  readonly kernels: Kernels;
  /** Called after each chunk with the bytes read for it. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** A tensor of an open model, with the scales that its values are multiplied by, if it has some. */
export type MeasuredTensor = readonly [source: ModelSource, info: TensorInfo, scale?: ScaleInfo];

/** Statistics of a tensor in float64; undefined for a type whose values cannot be read. */
export async function tensorStatistics(
  tensor: MeasuredTensor,
  options: PassOptions,
): Promise<TensorStatistics | undefined> {
  const [, info] = tensor;
  if (!isTensorDtype(info.dtype)) {
    options.onBytes?.(info.bytes);
    return undefined;
  }
  let squares = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let zeros = 0;
  let nans = 0;
  let infinities = 0;
  const { kernels } = options;
  for await (const { values } of chunks([tensor], options)) {
    const [x] = values;
    if (areFinite(kernels, x)) {
      squares += kernels.sumSquaresF32(x);
      const chunk = finiteMoments(x);
      sum += chunk.sum;
      zeros += chunk.zeros;
      min = Math.min(min, chunk.min);
      max = Math.max(max, chunk.max);
      continue;
    }
    for (const v of x) {
      if (Number.isNaN(v)) nans++;
      else if (!Number.isFinite(v)) infinities++;
      else {
        squares += v * v;
        sum += v;
        if (v < min) min = v;
        if (v > max) max = v;
        if (v === 0) zeros++;
      }
    }
  }
  const finite = info.size - nans - infinities;
  const none = Number.NaN;
  return {
    norm: Math.sqrt(squares),
    mean: finite > 0 ? sum / finite : none,
    min: finite > 0 ? min : none,
    max: finite > 0 ? max : none,
    zeros,
    nans,
    infinities,
  };
}

/** A function of its own: in a plain loop the engine keeps all four in registers. */
function finiteMoments(x: Float32Array): { sum: number; min: number; max: number; zeros: number } {
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let zeros = 0;
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    sum += v;
    if (v < min) min = v;
    if (v > max) max = v;
    if (v === 0) zeros++;
  }
  return { sum, min, max, zeros };
}

export interface TensorDifference {
  /** The same bytes in the same type. */
  readonly identical: boolean;
  /** Elements whose values differ; a NaN equals a NaN. Undefined where values cannot be read. */
  readonly different?: number;
  /** Largest |a - b|, and largest |a - b| / max(|a|, |b|), over elements that are finite in both. */
  readonly maxAbsolute?: number;
  readonly maxRelative?: number;
  /** L2 norms of a, b and b - a over those elements. */
  readonly normA?: number;
  readonly normB?: number;
  readonly normDelta?: number;
  /** a.b / (|a| |b|); NaN where a norm is 0. */
  readonly cosine?: number;
  /** Elements that are not finite in a or in b. */
  readonly nonFinite?: number;
}

/** How two tensors of one shape differ, in float64. */
export async function tensorDifference(
  a: MeasuredTensor,
  b: MeasuredTensor,
  options: PassOptions,
): Promise<TensorDifference> {
  const readable = isTensorDtype(a[1].dtype) && isTensorDtype(b[1].dtype);
  const sameType = a[1].dtype === b[1].dtype && a[2] === undefined && b[2] === undefined;
  let identical = sameType;
  let different = 0;
  let maxAbsolute = 0;
  let maxRelative = 0;
  let squaresA = 0;
  let squaresB = 0;
  let squaresDelta = 0;
  let dot = 0;
  let nonFinite = 0;
  const { kernels } = options;
  const sums = new Float64Array(3);
  const integers = sameType && a[1].dtype === 'I64';
  for await (const { values, bytes } of chunks([a, b], options)) {
    const same = sameType && sameBytes(bytes[0], bytes[1]);
    identical &&= same;
    if (!readable) continue;
    const [x, y] = values;
    if (areFinite(kernels, x) && areFinite(kernels, y)) {
      kernels.dotAndNormsF32(sums, x, y);
      dot += sums[0];
      squaresA += sums[1];
      squaresB += sums[2];
    } else {
      for (let i = 0; i < x.length; i++) {
        const u = x[i];
        const v = y[i];
        if (Number.isFinite(u) && Number.isFinite(v)) {
          squaresA += u * u;
          squaresB += v * v;
          dot += u * v;
        } else {
          nonFinite++;
          if (!Object.is(u, v)) different++;
          // Counted here, and no difference below.
          x[i] = 0;
          y[i] = 0;
        }
      }
    }
    if (same) continue;
    const chunk = integers ? deltaOfInt64(bytes[0], bytes[1]) : deltaOf(x, y);
    different += chunk.different;
    squaresDelta += chunk.squares;
    maxAbsolute = Math.max(maxAbsolute, chunk.maxAbsolute);
    maxRelative = Math.max(maxRelative, chunk.maxRelative);
  }
  if (!readable) return { identical };
  const normA = Math.sqrt(squaresA);
  const normB = Math.sqrt(squaresB);
  return {
    identical,
    different,
    maxAbsolute,
    maxRelative,
    normA,
    normB,
    normDelta: Math.sqrt(squaresDelta),
    // Rounding can leave the bounds of a cosine.
    cosine: Math.max(-1, Math.min(1, dot / (normA * normB))),
    nonFinite,
  };
}

/** Whether kernels can take the values: all of them are finite, and in float32. */
function areFinite(kernels: Kernels, x: Values): x is Float32Array {
  return x instanceof Float32Array && kernels.allFiniteF32(x) === 1;
}

/** How finite values differ. */
function deltaOf(x: Values, y: Values) {
  let different = 0;
  let squares = 0;
  let maxAbsolute = 0;
  let maxRelative = 0;
  for (let i = 0; i < x.length; i++) {
    const u = x[i];
    const v = y[i];
    if (u === v) continue;
    const size = Math.abs(v - u);
    const relative = size / Math.max(Math.abs(u), Math.abs(v));
    different++;
    squares += size * size;
    if (size > maxAbsolute) maxAbsolute = size;
    if (relative > maxRelative) maxRelative = relative;
  }
  return { different, squares, maxAbsolute, maxRelative };
}

/** Of a type that float32 holds, or of a wider one. */
type Values = Float32Array | Float64Array;

/** A piece of one or two tensors of one size; `values` are empty where they cannot be read. */
interface Chunk {
  readonly values: readonly Values[];
  readonly bytes: readonly Uint8Array[];
}

/** Chunks in order; the next is being read while one is looked at. */
async function* chunks(
  tensors: readonly MeasuredTensor[],
  { kernels, onBytes, signal }: PassOptions,
): AsyncGenerator<Chunk> {
  const size = tensors[0][1].size;
  const scalers = await Promise.all(
    tensors.map(([source, info, scale]) => scale && loadScaler(source, info, scale, kernels)),
  );
  const readers = tensors.map(([source, info]) => {
    const length = Math.min(size, CHUNK);
    const buffers = [0, 1].map(() => new Uint8Array(Math.ceil((length * dtypeBits[info.dtype]) / 8)));
    const wide = wideReader(info.dtype);
    const codec =
      wide === undefined && isTensorDtype(info.dtype)
        ? createCodec(kernels, info.dtype, info.name)
        : undefined;
    return { source, info, buffers, wide, codec, values: new Float32Array(codec ? length : 0) };
  });
  const read = (begin: number): Promise<Uint8Array[]> | undefined => {
    if (begin >= size) return undefined;
    const end = Math.min(size, begin + CHUNK);
    const turn = (begin / CHUNK) % 2;
    const reading = Promise.all(
      readers.map(({ source, info, buffers }) => source.readBytes(info, begin, end, buffers[turn])),
    );
    // Awaited in its turn; until then an error must not count as unhandled.
    reading.catch(() => undefined);
    return reading;
  };
  let next = read(0);
  for (let begin = 0; next !== undefined; begin += CHUNK) {
    const bytes = await next;
    signal?.throwIfAborted();
    next = read(begin + CHUNK);
    const values = readers.map(({ wide, codec, values: all }, k) => {
      if (wide !== undefined) return wide(bytes[k]);
      if (codec === undefined) return all;
      const part = all.subarray(0, bytes[k].length / codec.width);
      codec.widen(part, bytes[k]);
      scalers[k]?.(part, begin);
      return part;
    });
    yield { values, bytes };
    onBytes?.(bytes.reduce((sum, part) => sum + part.length, 0));
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Four at a time: the buffers of a pass begin at byte 0 of their memory.
  const words = Math.floor(a.length / 4);
  const x = new Int32Array(a.buffer, a.byteOffset, words);
  const y = new Int32Array(b.buffer, b.byteOffset, words);
  for (let i = 0; i < words; i++) if (x[i] !== y[i]) return false;
  for (let i = 4 * words; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
