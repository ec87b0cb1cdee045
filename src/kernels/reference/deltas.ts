/** Differences d = x - base rounded to float32; a base that is not there counts as zeros. */
const f32 = Math.fround;

export const delta = (x: Float32Array, base: Float32Array, i: number): number =>
  base.length > 0 ? f32(x[i] - base[i]) : x[i];
