/** Addressed randomness: element i of a stream depends on its address and i alone, never on what was drawn before. */
import { normalPairF32, normalPairF64 } from './normal.js';
import { blockOf, wordsOf } from './stream.js';

export { permutationU32 } from './permutation.js';

const f32 = Math.fround;

/** out[i] = word i of the stream. */
export function randomBitsU32(
  out: Uint32Array,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  let i = 0;
  for (const word of wordsOf({ key0, key1, blockLow, blockHigh, step, site }, out.length)) out[i++] = word;
}

/** out[i] = (word i >>> 8) 2^-24, uniform in [0, 1). */
export function uniformF32(
  out: Float32Array,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  let i = 0;
  for (const word of wordsOf({ key0, key1, blockLow, blockHigh, step, site }, out.length))
    out[i++] = (word >>> 8) * 2 ** -24;
}

/** Normals of `normalPairF32`: words 0, 1 of a block give its elements 0, 1 and words 2, 3 its elements 2, 3. */
function* normals(
  n: number,
  stddev: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): Generator<number> {
  const address = { key0, key1, blockLow, blockHigh, step, site };
  for (let i = 0; i < n; i += 4) {
    const [w0, w1, w2, w3] = blockOf(address, i / 4);
    const four = [...normalPairF32(w0, w1, stddev), ...normalPairF32(w2, w3, stddev)];
    yield* four.slice(0, n - i);
  }
}

/** out[i] = normal i with mean 0 and standard deviation `stddev`; 24 bits, for simulation only. */
export function normalF32(
  out: Float32Array,
  stddev: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  let i = 0;
  for (const z of normals(out.length, stddev, key0, key1, blockLow, blockHigh, step, site)) out[i++] = z;
}

/** x[i] = fround(x[i] + normal i) with the normals of `normalF32`. */
export function addNormalF32(
  x: Float32Array,
  stddev: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  let i = 0;
  for (const z of normals(x.length, stddev, key0, key1, blockLow, blockHigh, step, site)) {
    x[i] = f32(x[i] + z);
    i++;
  }
}

/** out[i] = stddev * normal i of `normalPairF64`; block b of the stream gives elements 2b and 2b + 1. */
export function normalF64(
  out: Float64Array,
  stddev: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const address = { key0, key1, blockLow, blockHigh, step, site };
  for (let i = 0; i < out.length; i += 2) {
    const [first, second] = normalPairF64(blockOf(address, i / 2));
    out[i] = stddev * first;
    if (i + 1 < out.length) out[i + 1] = stddev * second;
  }
}

/** out[i] = 1 if word i < floor(probability 2^32), else 0: always 1 at probability 1, always 0 at 0. */
export function bernoulliU8(
  out: Uint8Array,
  probability: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const threshold = Math.floor(probability * 0x100000000);
  let i = 0;
  for (const word of wordsOf({ key0, key1, blockLow, blockHigh, step, site }, out.length))
    out[i++] = word < threshold ? 1 : 0;
}
