// Softmax losses on rows of logits; see src/kernels/reference/loss.ts for the order of every sum.
import { expOf, loadUpTo4, logOf, storeUpTo4 } from './elementary';

const kLaneBytes: usize = 128;
const lanes = memory.data(128, 16);

// Largest logit; a NaN never wins. + 0 turns -0 into +0.
function rowMax(z: usize, cols: usize): f32 {
  let max: f32 = -Infinity;
  const end = z + (cols << 2);
  const bodyEnd = z + ((cols & ~3) << 2);
  let most = f32x4.splat(-Infinity);
  // pmax(a, b) is a < b ? b : a
  for (; z < bodyEnd; z += 16) most = f32x4.pmax(most, v128.load(z));
  max = f32x4.extract_lane(most, 0);
  let v = f32x4.extract_lane(most, 1);
  max = v > max ? v : max;
  v = f32x4.extract_lane(most, 2);
  max = v > max ? v : max;
  v = f32x4.extract_lane(most, 3);
  max = v > max ? v : max;
  for (; z < end; z += 4) {
    v = load<f32>(z);
    max = v > max ? v : max;
  }
  return max + 0;
}

// Sum of exp(z - max) in 16 float64 lanes and a halving tree; the exponentials are kept at e unless e is 0.
function sumOfExp(e: usize, z: usize, cols: usize, max: f32): f64 {
  memory.fill(lanes, 0, kLaneBytes);
  const shift = f32x4.splat(max);
  for (let j: usize = 0; j < cols; j += 4) {
    const count = min<usize>(cols - j, 4);
    const v = expOf(f32x4.sub(loadUpTo4(z + (j << 2), count), shift));
    if (e) storeUpTo4(e + (j << 2), v, count);
    const lane = lanes + ((j & 15) << 3);
    if (count == 4) {
      v128.store(lane, f64x2.add(v128.load(lane), f64x2.promote_low_f32x4(v)));
      const high = i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
      v128.store(lane + 16, f64x2.add(v128.load(lane + 16), f64x2.promote_low_f32x4(high)));
    } else {
      store<f64>(lane, load<f64>(lane) + <f64>f32x4.extract_lane(v, 0));
      if (count > 1) store<f64>(lane + 8, load<f64>(lane + 8) + <f64>f32x4.extract_lane(v, 1));
      if (count > 2) store<f64>(lane + 16, load<f64>(lane + 16) + <f64>f32x4.extract_lane(v, 2));
    }
  }
  for (let half: usize = kLaneBytes >> 1; half >= 8; half >>= 1)
    for (let at = lanes; at < lanes + half; at += 8) store<f64>(at, load<f64>(at) + load<f64>(at + half));
  return load<f64>(lanes);
}

function logScalar(x: f32): f32 {
  return f32x4.extract_lane(logOf(f32x4.splat(x)), 0);
}

export function softmaxF32(p: usize, z: usize, rows: usize, cols: u32): void {
  const bytes = <usize>cols << 2;
  for (let r: usize = 0; r < rows; r++, z += bytes) {
    const inverse = <f32>(1.0 / sumOfExp(p, z, cols, rowMax(z, cols)));
    for (const end = p + bytes; p < end; p += 4) store<f32>(p, load<f32>(p) * inverse);
  }
}

export function logSoftmaxF32(logp: usize, z: usize, rows: usize, cols: u32): void {
  for (let r: usize = 0; r < rows; r++) {
    const max = rowMax(z, cols);
    const logSum = logScalar(<f32>sumOfExp(0, z, cols, max));
    for (const end = z + (<usize>cols << 2); z < end; z += 4, logp += 4)
      store<f32>(logp, load<f32>(z) - max - logSum);
  }
}

export function softmaxCrossEntropyF32(
  loss: usize,
  delta: usize,
  z: usize,
  labels: usize,
  rows: usize,
  cols: u32,
  scale: f32,
): void {
  const bytes = <usize>cols << 2;
  for (let r: usize = 0; r < rows; r++, loss += 4, labels += 4, z += bytes) {
    const max = rowMax(z, cols);
    const sum = sumOfExp(delta, z, cols, max);
    const label = <usize>load<i32>(labels) << 2;
    store<f32>(loss, logScalar(<f32>sum) - (load<f32>(z + label) - max));
    if (!delta) continue;
    const inverse = <f32>(1.0 / sum);
    const hit = (load<f32>(delta + label) * inverse - 1) * scale;
    for (let at: usize = 0; at < bytes; at += 4)
      store<f32>(delta + at, load<f32>(delta + at) * inverse * scale);
    store<f32>(delta + label, hit);
    delta += bytes;
  }
}

export function countCorrectF32(
  totals: usize,
  loss: usize,
  z: usize,
  labels: usize,
  rows: usize,
  cols: u32,
): void {
  let sum: f64 = 0;
  let correct: f64 = 0;
  for (let r: usize = 0; r < rows; r++) {
    let best: i32 = -1;
    let max: f32 = -Infinity;
    for (let j: u32 = 0; j < cols; j++, z += 4) {
      const v = load<f32>(z);
      if (v > max) {
        max = v;
        best = j;
      }
    }
    sum += <f64>load<f32>(loss + (r << 2));
    if (best == load<i32>(labels + (r << 2))) correct += 1;
  }
  store<f64>(totals, load<f64>(totals) + sum);
  store<f64>(totals + 8, load<f64>(totals + 8) + correct);
  store<f64>(totals + 16, load<f64>(totals + 16) + <f64>rows);
}
