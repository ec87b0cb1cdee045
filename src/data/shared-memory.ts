/**
 * Memory for data sets: shared between threads where the host allows it, so that a data set lives once in a process.
 * Pages without cross-origin isolation have no SharedArrayBuffer and get ordinary memory.
 */
function allocate(byteLength: number): ArrayBuffer | SharedArrayBuffer {
  return typeof SharedArrayBuffer === 'function'
    ? new SharedArrayBuffer(byteLength)
    : new ArrayBuffer(byteLength);
}

export function sharedU8(length: number): Uint8Array {
  return new Uint8Array(allocate(length));
}

export function sharedU32(length: number): Uint32Array {
  return new Uint32Array(allocate(length * 4));
}

export function sharedI32(length: number): Int32Array {
  return new Int32Array(allocate(length * 4));
}

export function sharedF32(length: number): Float32Array {
  return new Float32Array(allocate(length * 4));
}

/** Whether worker threads can see this view without a copy. */
export function isShared(view: ArrayBufferView): boolean {
  return typeof SharedArrayBuffer === 'function' && view.buffer instanceof SharedArrayBuffer;
}

/** The view itself if it is shared already, else one shared copy. */
export function toShared(view: Uint8Array | Float32Array): Uint8Array | Float32Array {
  if (isShared(view)) return view;
  const copy = view instanceof Float32Array ? sharedF32(view.length) : sharedU8(view.length);
  copy.set(view);
  return copy;
}
