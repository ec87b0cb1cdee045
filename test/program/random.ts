import { philox4x32 } from '../../src/kernels/reference/philox.js';

/** Values in [-1, 1), addressed: the same numbers for the same seed. */
export function uniforms(n: number, seed: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => {
    const words = philox4x32(i >> 2, 0, 0, 0, seed, 13);
    return Math.fround((words[i & 3] >>> 8) * 2 ** -23 - 1);
  });
}
