/** Values of types that float32 does not hold, as float64: what is said of a tensor must be true of what is stored. */
import type { StoredDtype } from './dtype.js';

/** Reads the values of stored bytes as float64: exactly, but for 64-bit integers beyond 2^53, which are rounded. */
export type WideReader = (bytes: Uint8Array) => Float64Array;

const kReaders: Partial<Record<StoredDtype, WideReader>> = {
  F64: (bytes) => new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8).slice(),
  I64: (bytes) => Float64Array.from(bigInts(bytes), Number),
  I32: (bytes) => Float64Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)),
};

/** Undefined for types whose values float32 holds exactly. Bytes of other alignment than their type's are copied first. */
export function wideReader(dtype: StoredDtype): WideReader | undefined {
  const read = kReaders[dtype];
  return read && ((bytes) => read(bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()));
}

/** From here on a float64 cannot say which integer it stands for. */
const EXACT = 2 ** 53;
/** No 64-bit integer is near this: beside a float beyond it the rounding of an integer is none of the result. */
const BEYOND = 2 ** 64;

/**
 * The differences b - a of finite values where one of the types is I64, as if from exact values and rounded at the end; undefined for
 * other types, whose values in float64 are exact.
 *
 * @param bytes - as stored; `values` is what {@link wideReader} or a codec made of them.
 */
export function int64Differences(
  [dtypeA, dtypeB]: readonly [StoredDtype, StoredDtype],
  [bytesA, bytesB]: readonly Uint8Array[],
  [x, y]: readonly (Float32Array | Float64Array)[],
): Float64Array | undefined {
  const a = dtypeA === 'I64' ? bigInts(bytesA) : undefined;
  const b = dtypeB === 'I64' ? bigInts(bytesB) : undefined;
  if (a === undefined && b === undefined) return undefined;
  const differences = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const u = x[i];
    const v = y[i];
    const largest = Math.max(Math.abs(u), Math.abs(v));
    if (largest < EXACT || largest > BEYOND) {
      differences[i] = v - u;
      continue;
    }
    const wholeA = Math.trunc(u);
    const wholeB = Math.trunc(v);
    const whole = (b?.[i] ?? BigInt(wholeB)) - (a?.[i] ?? BigInt(wholeA));
    differences[i] = Number(whole) + (v - wholeB) - (u - wholeA);
  }
  return differences;
}

function bigInts(bytes: Uint8Array): BigInt64Array {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  return new BigInt64Array(aligned.buffer, aligned.byteOffset, aligned.length / 8);
}
