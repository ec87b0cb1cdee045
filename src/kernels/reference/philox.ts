/** Philox4x32-10, the block function that all random kernels share (Salmon et al. 2011; constants of Random123). */
const kMul0 = 0xd2511f53;
const kMul1 = 0xcd9e8d57;
const kWeyl0 = 0x9e3779b9;
const kWeyl1 = 0xbb67ae85;

/** High word of the 64-bit product of two unsigned 32-bit integers. */
export function mulHigh32(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const mid1 = aHigh * bLow + (low >>> 16);
  const mid2 = aLow * bHigh + (mid1 & 0xffff);
  return (aHigh * bHigh + Math.floor(mid1 / 0x10000) + Math.floor(mid2 / 0x10000)) >>> 0;
}

/**
 * One block of four unsigned words.
 *
 * @param c0..c3 - counter words; @param k0,k1 - key words; @param rounds - 10 in heddle; 7 only for known-answer tests.
 */
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  rounds = 10,
): [number, number, number, number] {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  let key0 = k0 >>> 0;
  let key1 = k1 >>> 0;
  for (let round = 0; round < rounds; round++) {
    const high0 = mulHigh32(kMul0, x0);
    const low0 = Math.imul(kMul0, x0) >>> 0;
    const high1 = mulHigh32(kMul1, x2);
    const low1 = Math.imul(kMul1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ key0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ key1) >>> 0;
    x3 = low0;
    key0 = (key0 + kWeyl0) >>> 0;
    key1 = (key1 + kWeyl1) >>> 0;
  }
  return [x0, x1, x2, x3];
}
