/**
 * Softmax losses on rows of logits. In every row: m is the largest logit, e_j = exp(z_j - m) in float32, and the sum of
 * the e_j runs in 16 float64 lanes (lane = j mod 16) that a halving tree brings together.
 */
import { expF, logF } from './elementary.js';

const f = Math.fround;
const kLanes = 16;
const lanes = new Float64Array(kLanes);

/** Largest logit of a row. Starts from -infinity; a NaN never wins. */
function rowMax(z: Float32Array, from: number, cols: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < cols; j++) max = z[from + j] > max ? z[from + j] : max;
  return max + 0; // -0 becomes +0: which zero wins must not depend on the order
}

function sumOfExp(z: Float32Array, from: number, cols: number, max: number): number {
  lanes.fill(0);
  for (let j = 0; j < cols; j++) lanes[j % kLanes] += expF(f(z[from + j] - max));
  for (let half = kLanes / 2; half >= 1; half /= 2)
    for (let lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

/** p = e_j * fround(1 / sum), row by row. */
export function softmaxF32(p: Float32Array, z: Float32Array, cols: number): void {
  for (let from = 0; from < z.length; from += cols) {
    const max = rowMax(z, from, cols);
    const inverse = f(1 / sumOfExp(z, from, cols, max));
    for (let j = from; j < from + cols; j++) p[j] = f(expF(f(z[j] - max)) * inverse);
  }
}

/** logp = (z_j - m) - log(fround(sum)), row by row. */
export function logSoftmaxF32(logp: Float32Array, z: Float32Array, cols: number): void {
  for (let from = 0; from < z.length; from += cols) {
    const max = rowMax(z, from, cols);
    const logSum = logF(f(sumOfExp(z, from, cols, max)));
    for (let j = from; j < from + cols; j++) logp[j] = f(f(z[j] - max) - logSum);
  }
}

/**
 * Cross-entropy of every row with its label, and its gradient: loss[r] = log(sum) - (z[label] - m) and
 * delta[r, j] = (p_j - [j is the label]) * scale. `scale` carries 1 / batch, and a learning rate where the update is
 * folded in. An empty `delta` skips the gradient.
 */
export function softmaxCrossEntropyF32(
  loss: Float32Array,
  delta: Float32Array,
  z: Float32Array,
  labels: Int32Array,
  cols: number,
  scale: number,
): void {
  for (let r = 0; r < loss.length; r++) {
    const from = r * cols;
    const max = rowMax(z, from, cols);
    const sum = sumOfExp(z, from, cols, max);
    loss[r] = f(logF(f(sum)) - f(z[from + labels[r]] - max));
    if (delta.length === 0) continue;
    const inverse = f(1 / sum);
    for (let j = 0; j < cols; j++) {
      const p = f(expF(f(z[from + j] - max)) * inverse);
      delta[from + j] = f((j === labels[r] ? f(p - 1) : p) * scale);
    }
  }
}

/**
 * totals[0] += sum of `loss` (float64, in row order from 0), totals[1] += rows whose first largest logit is the label,
 * totals[2] += rows. A row without a largest logit (all NaN or -infinity) is never right.
 */
export function countCorrectF32(
  totals: Float64Array,
  loss: Float32Array,
  z: Float32Array,
  labels: Int32Array,
  cols: number,
): void {
  let sum = 0;
  let correct = 0;
  for (let r = 0; r < loss.length; r++) {
    let best = -1;
    let max = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < cols; j++)
      if (z[r * cols + j] > max) {
        max = z[r * cols + j];
        best = j;
      }
    sum += loss[r];
    if (best === labels[r]) correct++;
  }
  totals[0] += sum;
  totals[1] += correct;
  totals[2] += loss.length;
}
