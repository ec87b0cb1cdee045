/** Memory that a lane uses for one tensor after another. */
import type { KernelBuffer } from '../../kernels/buffer.js';
import type { Kernels } from '../../kernels/kernels.js';

/** Elements of a block of the sum rule; also what is widened at a time, so that it stays in the L2 cache. */
export const BLOCK = 65_536;
/** What is read at a time of inputs that are taken as they are stored: less falls to each call, and the last-level cache holds it. */
const STORED_PIECE_BLOCKS = 4;
const STORED_PIECE_BYTES = 1 << 22;

/** Blocks that are computed at a time of inputs of 16-bit floats taken as they are stored. */
export function storedPieceBlocks(inputs: number): number {
  return Math.max(1, Math.min(STORED_PIECE_BLOCKS, Math.floor(STORED_PIECE_BYTES / (2 * BLOCK * inputs))));
}

/** Float32 memory of a thread, shared by the tensors that it works on one after the other. */
export interface Scratch {
  /** Vector `k` of exactly `length` elements; what it holds is lost at the next call for `k`. */
  vector(k: number, length: number): Float32Array;
  /** Stored bytes on their way from or to a file, as `vector`. */
  bytes(k: number, length: number): Uint8Array;
  /** Stored bytes of a whole input, which stay until the next tensor that is kept. */
  kept(k: number, length: number): Uint8Array;
  dispose(): void;
}

export function createScratch(kernels: Kernels): Scratch {
  const vectors: Float32Array[] = [];
  const stored: Uint8Array[] = [];
  const whole: Uint8Array[] = [];
  const grown = (arrays: Uint8Array[], k: number, length: number): Uint8Array => {
    if (arrays[k] === undefined || arrays[k].length < length) arrays[k] = new Uint8Array(length);
    return arrays[k].subarray(0, length);
  };
  const buffers: (KernelBuffer | undefined)[] = [];
  const allocate = (k: number, length: number): Float32Array => {
    // A method calls several kernels with the same vectors, and WASM memory may move at each: it gets copies.
    if (kernels.backend === 'wasm') return new Float32Array(length);
    buffers[k]?.dispose();
    const buffer = kernels.alloc(length);
    buffers[k] = buffer;
    return buffer.f32();
  };
  return {
    vector(k, length) {
      if (vectors[k] === undefined || vectors[k].length < length)
        vectors[k] = allocate(k, Math.max(length, BLOCK));
      return vectors[k].length === length ? vectors[k] : vectors[k].subarray(0, length);
    },
    bytes: (k, length) => grown(stored, k, length),
    kept: (k, length) => grown(whole, k, length),
    dispose: () => {
      for (const buffer of buffers) buffer?.dispose();
    },
  };
}
