import { DisposedError } from '../errors.js';

export type AnyArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/**
 * Memory that a back end uses with no copy. Kernels take it wherever they take a typed array.
 *
 * A view is made at each call and must not be kept across kernel calls: WASM memory can move when it grows.
 */
export interface KernelBuffer<A extends AnyArray = Float32Array> {
  readonly length: number;
  /** The elements, valid until the next allocation. Throws {@link DisposedError} after `dispose()`. */
  view(): A;
  /** Same as `view()` for a buffer of float32. */
  f32(): A;
  /** Gives the memory back. Safe to call twice. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** A buffer over whatever `view` returns; `release` is called once. */
export function makeBuffer<A extends AnyArray>(
  length: number,
  view: () => A,
  release: () => void,
): KernelBuffer<A> {
  let disposed = false;
  const read = (): A => {
    if (disposed) throw new DisposedError('a kernel buffer');
    return view();
  };
  const dispose = (): void => {
    if (disposed) return;
    disposed = true;
    release();
  };
  return { length, view: read, f32: read, dispose, [Symbol.dispose]: dispose };
}

/** The typed array behind a kernel argument. */
export function arrayOf<A extends AnyArray>(value: A | KernelBuffer<A>): A {
  return ArrayBuffer.isView(value) ? value : value.view();
}
