// Broadcasts and sums over batch, channel and space. Chains are float32 and sequential; four of them run side by side.
import { clipFactor } from './clip_factor';
import { loadUpTo4, storeUpTo4 } from './elementary';
import { sumSquaresF32 } from './reduce';

export function addBiasF32(y: usize, bias: usize, batch: u32, channels: u32, spatial: u32): void {
  for (let image: u32 = 0; image < batch; image++)
    if (spatial == 1) {
      for (let c: usize = 0; c < channels; c += 4) {
        const count = <usize>channels - c;
        storeUpTo4(y, f32x4.add(loadUpTo4(y, count), loadUpTo4(bias + (c << 2), count)), count);
        y += min<usize>(count, 4) << 2;
      }
    } else {
      for (let c: usize = 0; c < channels; c++) {
        const value = f32x4.splat(load<f32>(bias + (c << 2)));
        for (let s: usize = 0; s < spatial; s += 4) {
          const count = <usize>spatial - s;
          storeUpTo4(y, f32x4.add(loadUpTo4(y, count), value), count);
          y += min<usize>(count, 4) << 2;
        }
      }
    }
}

// acc + the chains over `count` positions of rows `pitch` bytes apart; rows that do not exist repeat row 0.
function chain4(acc: v128, x: usize, rows: usize, pitch: usize, count: usize): v128 {
  const x1 = rows > 1 ? x + pitch : x;
  const x2 = rows > 2 ? x + 2 * pitch : x;
  const x3 = rows > 3 ? x + 3 * pitch : x;
  const bytes = count << 2;
  for (let at: usize = 0; at < bytes; at += 4) {
    let v = v128.load32_zero(x + at);
    v = v128.load32_lane(x1 + at, v, 1);
    v = v128.load32_lane(x2 + at, v, 2);
    v = v128.load32_lane(x3 + at, v, 3);
    acc = f32x4.add(acc, v);
  }
  return acc;
}

export function sumChannelsF32(
  db: usize,
  dy: usize,
  batch: u32,
  channels: u32,
  spatial: u32,
  alpha: f32,
  beta: f32,
): void {
  const plane = <usize>spatial << 2;
  for (let c: usize = 0; c < channels; c += 4, db += 16) {
    const count = <usize>channels - c;
    let acc = f32x4.splat(0);
    for (let image: usize = 0; image < batch; image++) {
      const from = dy + (image * channels + c) * plane;
      acc = spatial == 1 ? f32x4.add(acc, loadUpTo4(from, count)) : chain4(acc, from, count, plane, spatial);
    }
    if (alpha != 1) acc = f32x4.mul(f32x4.splat(alpha), acc);
    if (beta != 0) acc = f32x4.add(acc, f32x4.mul(f32x4.splat(beta), loadUpTo4(db, count)));
    storeUpTo4(db, acc, count);
  }
}

export function sumSpatialRowsF32(out: usize, dy: usize, rows: usize, spatial: u32, beta: f32): void {
  const plane = <usize>spatial << 2;
  for (let r: usize = 0; r < rows; r += 4, out += 16) {
    const count = rows - r;
    let acc = chain4(f32x4.splat(0), dy + r * plane, count, plane, spatial);
    if (beta != 0) acc = f32x4.add(acc, f32x4.mul(f32x4.splat(beta), loadUpTo4(out, count)));
    storeUpTo4(out, acc, count);
  }
}

export function scaleRowsF32(x: usize, factors: usize, rows: usize, cols: u32): void {
  for (let r: usize = 0; r < rows; r++) {
    const factor = f32x4.splat(load<f32>(factors + (r << 2)));
    for (let j: usize = 0; j < cols; j += 4) {
      const count = <usize>cols - j;
      storeUpTo4(x, f32x4.mul(loadUpTo4(x, count), factor), count);
      x += min<usize>(count, 4) << 2;
    }
  }
}

export function weightedSumRowsF32(
  dst: usize,
  x: usize,
  factors: usize,
  cols: usize,
  rows: u32,
  beta: f32,
): void {
  for (let j: usize = 0; j < cols; j += 4, dst += 16) {
    const count = <usize>cols - j;
    let acc = f32x4.splat(0);
    for (let r: usize = 0; r < rows; r++) {
      const factor = v128.load32_splat(factors + (r << 2));
      acc = f32x4.add(acc, f32x4.mul(factor, loadUpTo4(x + ((r * cols + j) << 2), count)));
    }
    if (beta != 0) acc = f32x4.add(acc, f32x4.mul(f32x4.splat(beta), loadUpTo4(dst, count)));
    storeUpTo4(dst, acc, count);
  }
}

export function transposeF32(dst: usize, src: usize, rows: u32, cols: u32): void {
  const step = <usize>rows << 2;
  for (let r: usize = 0; r < rows; r++, dst += 4)
    for (let c: usize = 0; c < cols; c++, src += 4) store<f32>(dst + c * step, load<f32>(src));
}

export function ghostNormRowsF32(
  norms2: usize,
  a: usize,
  b: usize,
  rows: usize,
  aCols: u32,
  bCols: u32,
  withBias: u32,
): void {
  for (let r: usize = 0; r < rows; r++, norms2 += 8) {
    const bSum = sumSquaresF32(b, bCols);
    store<f64>(norms2, load<f64>(norms2) + sumSquaresF32(a, aCols) * (withBias ? bSum + 1 : bSum));
    a += <usize>aCols << 2;
    b += <usize>bCols << 2;
  }
}

export function clipFactorsF32(factors: usize, norms2: usize, rows: usize, maxNorm: f64, scale: f32): void {
  for (let r: usize = 0; r < rows; r++)
    store<f32>(factors + (r << 2), clipFactor(sqrt<f64>(load<f64>(norms2 + (r << 3))), maxNorm) * scale);
}

export function multiplyAddF32(y: usize, a: usize, b: usize, n: usize, scale: f32): void {
  const factor = f32x4.splat(scale);
  for (let i: usize = 0; i < n; i += 4) {
    const at = i << 2;
    const count = n - i;
    const product = f32x4.mul(loadUpTo4(a + at, count), loadUpTo4(b + at, count));
    storeUpTo4(y + at, f32x4.add(loadUpTo4(y + at, count), f32x4.mul(factor, product)), count);
  }
}

export function squareF32(y: usize, x: usize, n: usize): void {
  for (let i: usize = 0; i < n; i += 4) {
    const v = loadUpTo4(x + (i << 2), n - i);
    storeUpTo4(y + (i << 2), f32x4.mul(v, v), n - i);
  }
}
