/** Memory on the JavaScript heap for the back ends that work on it, and the checks that every `alloc` makes. */
import { InvalidArgumentError } from '../errors.js';
import { type AnyArray, type KernelBuffer, makeBuffer } from './buffer.js';
import { arrayTypes } from './checked.js';
import type { Dtype } from './define.js';
import { OutOfMemoryError } from './errors.js';

/** Bytes of `length` elements. @throws {InvalidArgumentError} unless `length` is a whole number from 0. */
export function byteLength(length: number, dtype: Dtype): number {
  const type = Object.hasOwn(arrayTypes, dtype) ? arrayTypes[dtype] : undefined;
  if (!type) throw new InvalidArgumentError('alloc', 'dtype', Object.keys(arrayTypes).join(', '), dtype);
  const bytes = length * type.BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(bytes) || !Number.isInteger(length) || length < 0)
    throw new InvalidArgumentError('alloc', 'length', 'a number of elements, 0 or more', length);
  return bytes;
}

/**
 * A buffer over a zeroed array of the JavaScript heap that `make` allocates; `dispose` lets the collector have it.
 *
 * @throws {OutOfMemoryError} where the host has no array of that size.
 */
export function heapBuffer(
  length: number,
  dtype: Dtype,
  make: (bytes: number) => AnyArray,
): KernelBuffer<AnyArray> {
  const bytes = byteLength(length, dtype);
  const held: AnyArray[] = [];
  try {
    held.push(make(bytes));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new OutOfMemoryError(bytes, 'memory', cause);
  }
  return makeBuffer(
    length,
    () => held[0],
    () => {
      held.length = 0;
    },
  );
}
