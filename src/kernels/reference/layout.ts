/** Broadcasts and sums over batch, channel and space, and what per-example clipping needs. */
import { clipFactor } from './clip.js';
import { addOld, scaled } from './store.js';
import { sumTerms } from './sums.js';

const f = Math.fround;

/** y[image, channel, position] += bias[channel]. */
export function addBiasF32(
  y: Float32Array,
  bias: Float32Array,
  _batch: number,
  channels: number,
  spatial: number,
): void {
  for (let i = 0; i < y.length; i++) y[i] = f(y[i] + bias[Math.floor(i / spatial) % channels]);
}

/** db[c] = alpha * (float32 sum over image and position of dy) + beta * db[c]. */
export function sumChannelsF32(
  db: Float32Array,
  dy: Float32Array,
  batch: number,
  channels: number,
  spatial: number,
  alpha: number,
  beta: number,
): void {
  for (let c = 0; c < channels; c++) {
    let acc = 0;
    for (let image = 0; image < batch; image++)
      for (let s = 0; s < spatial; s++) acc = f(acc + dy[(image * channels + c) * spatial + s]);
    db[c] = addOld(scaled(alpha, acc), beta, db[c]);
  }
}

/** out[r] = (float32 sum over positions of dy[r]) + beta * out[r]; a row is one channel of one example. */
export function sumSpatialRowsF32(out: Float32Array, dy: Float32Array, spatial: number, beta: number): void {
  for (let r = 0; r < out.length; r++) {
    let acc = 0;
    for (let s = 0; s < spatial; s++) acc = f(acc + dy[r * spatial + s]);
    out[r] = addOld(acc, beta, out[r]);
  }
}

/** x[r, j] *= factors[r]. */
export function scaleRowsF32(x: Float32Array, factors: Float32Array, cols: number): void {
  for (let i = 0; i < x.length; i++) x[i] = f(x[i] * factors[Math.floor(i / cols)]);
}

/** dst[j] = (float32 chain over rows of factors[r] * x[r, j], unfused) + beta * dst[j]. */
export function weightedSumRowsF32(
  dst: Float32Array,
  x: Float32Array,
  factors: Float32Array,
  rows: number,
  beta: number,
): void {
  const cols = dst.length;
  for (let j = 0; j < cols; j++) {
    let acc = 0;
    for (let r = 0; r < rows; r++) acc = f(acc + f(factors[r] * x[r * cols + j]));
    dst[j] = addOld(acc, beta, dst[j]);
  }
}

/** dst [cols, rows] = transpose of src [rows, cols]. */
export function transposeF32(dst: Float32Array, src: Float32Array, rows: number, cols: number): void {
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) dst[c * rows + r] = src[r * cols + c];
}

const sumSquares = (x: Float32Array, from: number, count: number) =>
  sumTerms(count, (i) => x[from + i] * x[from + i]);

/**
 * norms2[r] += |a[r]|^2 * (|b[r]|^2 + withBias): squared norm of one example's gradient of a dense layer, a rank-1
 * matrix (Goodfellow 2015, "Efficient Per-Example Gradient Computations"). With `withBias` the bias, whose gradient is a[r], counts.
 */
export function ghostNormRowsF32(
  norms2: Float64Array,
  a: Float32Array,
  b: Float32Array,
  aCols: number,
  bCols: number,
  withBias: number,
): void {
  for (let r = 0; r < norms2.length; r++) {
    const bSum = sumSquares(b, r * bCols, bCols);
    norms2[r] += sumSquares(a, r * aCols, aCols) * (withBias ? bSum + 1 : bSum);
  }
}

/** factors[r] = scale * clipFactor(sqrt(norms2[r]), maxNorm). A NaN norm gives NaN. */
export function clipFactorsF32(
  factors: Float32Array,
  norms2: Float64Array,
  maxNorm: number,
  scale: number,
): void {
  for (let r = 0; r < factors.length; r++) factors[r] = f(clipFactor(Math.sqrt(norms2[r]), maxNorm) * scale);
}

/** y += scale * (a * b), each step rounded. */
export function multiplyAddF32(y: Float32Array, a: Float32Array, b: Float32Array, scale: number): void {
  for (let i = 0; i < y.length; i++) y[i] = f(y[i] + f(scale * f(a[i] * b[i])));
}

/** y = x * x. */
export function squareF32(y: Float32Array, x: Float32Array): void {
  for (let i = 0; i < y.length; i++) y[i] = f(x[i] * x[i]);
}
