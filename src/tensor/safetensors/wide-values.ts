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

/** How 64-bit integers differ, exactly but for the rounding of the result. */
export function deltaOfInt64(a: Uint8Array, b: Uint8Array) {
  const x = bigInts(a.byteOffset % 8 === 0 ? a : a.slice());
  const y = bigInts(b.byteOffset % 8 === 0 ? b : b.slice());
  let different = 0;
  let squares = 0;
  let maxAbsolute = 0;
  let maxRelative = 0;
  for (let i = 0; i < x.length; i++) {
    if (x[i] === y[i]) continue;
    const size = Math.abs(Number(y[i] - x[i]));
    const relative = size / Math.max(Math.abs(Number(x[i])), Math.abs(Number(y[i])));
    different++;
    squares += size * size;
    maxAbsolute = Math.max(maxAbsolute, size);
    maxRelative = Math.max(maxRelative, relative);
  }
  return { different, squares, maxAbsolute, maxRelative };
}

function bigInts(bytes: Uint8Array): BigInt64Array {
  return new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
}
