/** How two tensors differ. */
import type { Kernels } from '../../kernels/kernels.js';
import { dtypeBits, isTensorDtype, type StoredDtype } from './dtype.js';
import { factorOf, ScaledSum, stepsFor } from './scaled-sum.js';
import { areFinite, chunks, type MeasuredTensor, type PassOptions, type Values } from './value-chunks.js';
import { int64Differences } from './wide-values.js';

export interface TensorDifference {
  /** The same bytes in the same type. */
  readonly identical: boolean;
  /** Elements whose values differ; a NaN equals a NaN, and 0 equals -0. Undefined where values cannot be read. */
  readonly different?: number;
  /**
   * Elements whose stored bytes differ: those of other value, zeros of other sign and NaNs of other bits. Undefined for tensors of two
   * types or with scales, and for types of less than a byte.
   */
  readonly differentBits?: number;
  /**
   * Largest |a - b|, and largest |a - b| / max(|a|, |b|), over elements that are finite in both. The first is infinite where it is
   * beyond float64 (from 1.8e308 on), the second never: it is 2 at most.
   */
  readonly maxAbsolute?: number;
  readonly maxRelative?: number;
  /** L2 norms of a, b and b - a over those elements; infinite only where the norm itself is beyond float64. */
  readonly normA?: number;
  readonly normB?: number;
  readonly normDelta?: number;
  /** a.b / (|a| |b|); NaN where a norm is 0. */
  readonly cosine?: number;
  /** Elements that are not finite in a or in b. */
  readonly nonFinite?: number;
}

/**
 * How two tensors of one shape differ. Which elements differ is exact for any two types. By how much is measured in float64: each
 * difference is rounded once, and norms and cosine take 64-bit integers beyond 2^53 as the nearest float64.
 */
export async function tensorDifference(
  a: MeasuredTensor,
  b: MeasuredTensor,
  options: PassOptions,
): Promise<TensorDifference> {
  const readable = isTensorDtype(a[1].dtype) && isTensorDtype(b[1].dtype);
  const sameType = a[1].dtype === b[1].dtype && a[2] === undefined && b[2] === undefined;
  const hasBits = sameType && dtypeBits[a[1].dtype] >= 8;
  let identical = sameType;
  let different = 0;
  let differentBits = 0;
  let maxAbsolute = 0;
  let maxRelative = 0;
  const squaresA = new ScaledSum();
  const squaresB = new ScaledSum();
  const squaresDelta = new ScaledSum();
  const dot = new ScaledSum();
  let nonFinite = 0;
  const { kernels } = options;
  for await (const { values, bytes } of chunks([a, b], options)) {
    const same = sameType && sameBytes(bytes[0], bytes[1]);
    identical &&= same;
    if (!readable) {
      if (hasBits && !same) differentBits += differentElements(bytes[0], bytes[1], a[1].dtype);
      continue;
    }
    const [x, y] = values;
    const finite = areFinite(kernels, x) && areFinite(kernels, y);
    const odd = finite ? { count: 0, different: 0 } : takeNonFinite(x, y);
    nonFinite += odd.count;
    different += odd.different;
    const sums = productsOf(kernels, x, y);
    dot.add(sums.dot, sums.stepsA + sums.stepsB);
    squaresA.add(sums.squaresA, 2 * sums.stepsA);
    squaresB.add(sums.squaresB, 2 * sums.stepsB);
    if (same) continue;
    const exact = int64Differences([a[1].dtype, b[1].dtype], bytes, values);
    const plain = exact === undefined ? deltaOf(x, y) : wideDeltaOf(x, y, exact, 1);
    const steps = stepsFor(plain.maxAbsolute);
    const delta = steps === 0 ? plain : wideDeltaOf(x, y, exact, factorOf(steps));
    squaresDelta.add(delta.squares, 2 * steps);
    different += delta.different;
    // Where every value differs every element does.
    const every = odd.different + delta.different === x.length;
    if (hasBits) differentBits += every ? x.length : differentElements(bytes[0], bytes[1], a[1].dtype);
    maxAbsolute = Math.max(maxAbsolute, delta.maxAbsolute);
    maxRelative = Math.max(maxRelative, delta.maxRelative);
  }
  const bits = hasBits ? { differentBits } : {};
  if (!readable) return { identical, ...bits };
  return {
    identical,
    different,
    ...bits,
    maxAbsolute,
    maxRelative,
    normA: squaresA.root(),
    normB: squaresB.root(),
    normDelta: squaresDelta.root(),
    cosine: dot.cosine(squaresA, squaresB),
    nonFinite,
  };
}

/** Counts elements that are not finite in one of the two, and makes them 0 in both, so that they are no difference further on. */
function takeNonFinite(x: Values, y: Values): { count: number; different: number } {
  let count = 0;
  let different = 0;
  for (let i = 0; i < x.length; i++) {
    if (Number.isFinite(x[i]) && Number.isFinite(y[i])) continue;
    count++;
    if (!Object.is(x[i], y[i])) different++;
    x[i] = 0;
    y[i] = 0;
  }
  return { count, different };
}

interface Products {
  readonly dot: number;
  readonly squaresA: number;
  readonly squaresB: number;
  /** By which the values were scaled down. */
  readonly stepsA: -1 | 0 | 1;
  readonly stepsB: -1 | 0 | 1;
}

/** Of finite values. */
function productsOf(kernels: Kernels, x: Values, y: Values): Products {
  if (x instanceof Float32Array && y instanceof Float32Array) {
    const sums = new Float64Array(3);
    kernels.dotAndNormsF32(sums, x, y);
    return { dot: sums[0], squaresA: sums[1], squaresB: sums[2], stepsA: 0, stepsB: 0 };
  }
  const stepsA = stepsFor(largestOf(x));
  const stepsB = stepsFor(largestOf(y));
  const factorA = factorOf(stepsA);
  const factorB = factorOf(stepsB);
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < x.length; i++) {
    const u = x[i] * factorA;
    const v = y[i] * factorB;
    dot += u * v;
    squaresA += u * u;
    squaresB += v * v;
  }
  return { dot, squaresA, squaresB, stepsA, stepsB };
}

function largestOf(x: Values): number {
  let largest = 0;
  for (let i = 0; i < x.length; i++) {
    const size = Math.abs(x[i]);
    if (size > largest) largest = size;
  }
  return largest;
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

/**
 * The same at 1.7 times the time, for differences that are given, or beyond float64, or whose squares are: these are of the differences
 * times a factor.
 */
function wideDeltaOf(x: Values, y: Values, exact: Float64Array | undefined, factor: number) {
  let different = 0;
  let squares = 0;
  let maxAbsolute = 0;
  let maxRelative = 0;
  for (let i = 0; i < x.length; i++) {
    const u = x[i];
    const v = y[i];
    const delta = exact === undefined ? v - u : exact[i];
    if (delta === 0) continue;
    const size = Math.abs(delta);
    const larger = Math.max(Math.abs(u), Math.abs(v));
    // The difference of halves is finite where that of the values is not.
    const finite = size !== Number.POSITIVE_INFINITY;
    const relative = finite ? size / larger : Math.abs(v / 2 - u / 2) / (larger / 2);
    const scaled = finite ? size * factor : Math.abs(v * factor - u * factor);
    different++;
    squares += scaled * scaled;
    if (size > maxAbsolute) maxAbsolute = size;
    if (relative > maxRelative) maxRelative = relative;
  }
  return { different, squares, maxAbsolute, maxRelative };
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

/** How many elements of a type, of a byte or more, are stored otherwise. */
function differentElements(a: Uint8Array, b: Uint8Array, dtype: StoredDtype): number {
  const width = dtypeBits[dtype] / 8;
  if (width === 1 || width === 2) {
    const x = width === 1 ? a : new Uint16Array(a.buffer, a.byteOffset, a.length / 2);
    const y = width === 1 ? b : new Uint16Array(b.buffer, b.byteOffset, b.length / 2);
    let count = 0;
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) count++;
    return count;
  }
  const x = new Int32Array(a.buffer, a.byteOffset, a.length / 4);
  const y = new Int32Array(b.buffer, b.byteOffset, b.length / 4);
  let count = 0;
  if (width === 4) for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) count++;
  if (width === 8) for (let i = 0; i < x.length; i += 2) if (x[i] !== y[i] || x[i + 1] !== y[i + 1]) count++;
  return count;
}
