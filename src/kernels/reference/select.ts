/** Exact selection by magnitude, and gathers of rows and blocks. Indices are in range by contract. */
const f32 = Math.fround;

/**
 * The k-th largest |x[i]|: keeping every |x[i]| >= threshold keeps k elements, and more only on ties.
 * k = 0 gives +Infinity and k > n gives 0. Magnitudes are ordered as their bit patterns, so a NaN is the largest.
 */
export function magnitudeThresholdF32(x: Float32Array, k: number): number {
  if (k === 0) return Number.POSITIVE_INFINITY;
  if (k > x.length) return 0;
  const magnitudes = new Uint32Array(x.slice().buffer).map((bits) => bits & 0x7fffffff).sort();
  return new Float32Array(magnitudes.buffer)[x.length - k];
}

/** dst[r, c, :] = src[rows[r], columns[c], :] for a source of sourceRows x sourceColumns blocks of `inner` elements. */
export function gatherBlocksF32(
  dst: Float32Array,
  src: Float32Array,
  rows: Uint32Array,
  columns: Uint32Array,
  _sourceRows: number,
  sourceColumns: number,
  inner: number,
): void {
  for (let r = 0; r < rows.length; r++)
    for (let c = 0; c < columns.length; c++)
      for (let i = 0; i < inner; i++)
        dst[(r * columns.length + c) * inner + i] = src[(rows[r] * sourceColumns + columns[c]) * inner + i];
}

/** dst[rows[r], columns[c], :] = src[r, c, :]: the way back of `gatherBlocksF32`. Other elements of dst stay. */
export function scatterBlocksF32(
  dst: Float32Array,
  src: Float32Array,
  rows: Uint32Array,
  columns: Uint32Array,
  _targetRows: number,
  targetColumns: number,
  inner: number,
): void {
  for (let r = 0; r < rows.length; r++)
    for (let c = 0; c < columns.length; c++)
      for (let i = 0; i < inner; i++)
        dst[(rows[r] * targetColumns + columns[c]) * inner + i] = src[(r * columns.length + c) * inner + i];
}

/**
 * A batch of byte images as normalised floats: dst[r, j] = src[index[r], j] * scales[c] + shifts[c], the product rounded
 * before the sum; c = channel of j when a row is `channels` equal planes.
 */
export function gatherRowsU8F32(
  dst: Float32Array,
  src: Uint8Array,
  index: Uint32Array,
  scales: Float32Array,
  shifts: Float32Array,
  _sourceRows: number,
  cols: number,
  channels: number,
): void {
  const plane = cols / channels;
  for (let r = 0; r < index.length; r++)
    for (let j = 0; j < cols; j++) {
      const channel = Math.floor(j / plane);
      const value = src[index[r] * cols + j];
      dst[r * cols + j] = f32(f32(value * scales[channel]) + shifts[channel]);
    }
}

/** dst[r, :] = src[index[r], :]. */
export function gatherRowsF32(
  dst: Float32Array,
  src: Float32Array,
  index: Uint32Array,
  _sourceRows: number,
  cols: number,
): void {
  for (let r = 0; r < index.length; r++)
    for (let j = 0; j < cols; j++) dst[r * cols + j] = src[index[r] * cols + j];
}

/** dst[r] = src[index[r]]. */
export function gatherI32(dst: Int32Array, src: Int32Array, index: Uint32Array): void {
  for (let r = 0; r < index.length; r++) dst[r] = src[index[r]];
}
