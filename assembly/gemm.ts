// c = activation(alpha op(a) op(b) + bias) + beta c; offsets in bytes, sizes in elements. See docs/kernels.md.
import { loadUpTo4, storeUpTo4 } from './elementary';
import { addLive, fitsLists, fitsLive, hasZeros, multiplyLists } from './gemm_lists';
import {
  finishRows,
  kPitch,
  scratch,
  storeRows,
  storeTile4x8,
  storeTurned,
  tileRows,
} from './tile';

// Chains longer than this are cut; the parts go through the buffer, which keeps every bit.
const kMaxChain: usize = 4096;
const kBufferRows: usize = 64;
const buffer = memory.data(2048, 16);

// Copies lanes [0, lanes) of `count` steps to the scratch, `vectors` vectors a step. `across`: a lane is a row of memory.
function packStrip(src: usize, step: usize, across: bool, lanes: usize, vectors: usize, count: usize): void {
  const width = vectors << 4;
  if (!across) {
    let to = scratch;
    for (let p: usize = 0; p < count; p++, src += step, to += width)
      for (let lane: usize = 0; lane < width; lane += 16) {
        const left = lanes > lane >> 2 ? lanes - (lane >> 2) : 0;
        v128.store(to + lane, loadUpTo4(src + lane, left));
      }
    return;
  }
  if (lanes << 2 < width) memory.fill(scratch, 0, count * width);
  for (let lane: usize = 0; lane < lanes; lane++, src += step) {
    let to = scratch + (lane << 2);
    const end = src + (count << 2);
    for (let at = src; at < end; at += 4, to += width) store<f32>(to, load<f32>(at));
  }
}

export function gemmF32(
  c: usize,
  a: usize,
  b: usize,
  bias: usize,
  m: u32,
  n: u32,
  k: u32,
  transA: u32,
  transB: u32,
  alpha: f32,
  beta: f32,
  activation: u32,
): void {
  if (m == 0 || n == 0) return;
  const plain = alpha == 1 && !bias && !activation;
  if (transA && !transB && plain && beta == 1 && fitsLive(m, n, k)) {
    addLive(c, a, b, m, n, k);
    return;
  }
  // Few rows against weights by columns: turning blocks of those costs less than lanes that stay empty.
  if (m > 3 && fitsLists(n, k) && ((transB && m < 13) || hasZeros(a, <usize>m * k))) {
    multiplyLists(c, a, b, bias, m, n, k, transA != 0, transB != 0, alpha, beta, activation);
    return;
  }
  // Rows are broadcast, columns lie in lanes. Where b is stored by columns and m is no larger than n, the product is turned:
  // the rows of a go to the lanes, so that only a need be copied.
  const turned = transB != 0 && m <= n && m > 2;
  const rows: usize = turned ? n : m;
  const columns: usize = turned ? m : n;
  const length = <usize>k;
  const aRow: usize = transA ? 4 : length << 2;
  const aK: usize = transA ? <usize>m << 2 : 4;
  const rowData = turned ? b : a;
  const rowStep = turned ? length << 2 : aRow;
  const kStep: usize = turned ? 4 : aK;
  const laneData = turned ? a : b;
  const across = turned ? transA == 0 : transB != 0;
  const laneStep: usize = across ? length << 2 : turned ? <usize>m << 2 : <usize>n << 2;
  const cStep = <usize>n << 2;

  // Plain products go from the registers to c; the rest by way of the buffer.
  const direct = !turned && !across && plain && (beta == 0 || beta == 1);

  let vectorsLeft = (columns + 3) >> 2;
  for (let column: usize = 0; column < columns; ) {
    const vectors = min<usize>(vectorsLeft, 2);
    const lanes = min(columns - column, vectors << 2);
    const copies = across || lanes < vectors << 2;
    let row: usize = 0;
    if (direct && !copies && vectors == 2)
      for (; row + 4 <= rows; row += 4) {
        const to = c + row * cStep + (column << 2);
        storeTile4x8(a + row * rowStep, rowStep, kStep, b + (column << 2), laneStep, length, to, cStep, beta != 0);
      }
    for (; row < rows; row += kBufferRows) {
      const chunk = min(rows - row, kBufferRows);
      memory.fill(buffer, 0, chunk * kPitch);
      for (let from: usize = 0; from < length; ) {
        const count = copies ? min(length - from, kMaxChain) : length;
        let lanesAt = laneData + (across ? column * laneStep + (from << 2) : from * laneStep + (column << 2));
        let step = laneStep;
        if (copies) {
          if (row == 0 || length > kMaxChain) packStrip(lanesAt, laneStep, across, lanes, vectors, count);
          lanesAt = scratch;
          step = vectors << 4;
        }
        const rowAt = rowData + row * rowStep + from * kStep;
        tileRows(rowAt, rowStep, kStep, lanesAt, step, count, buffer, chunk, vectors);
        from += count;
      }
      const biasAt = bias ? bias + ((turned ? row : column) << 2) : 0;
      if (bias || alpha != 1 || activation) finishRows(buffer, chunk, lanes, biasAt, turned, alpha, activation);
      if (turned) storeTurned(c + column * cStep + (row << 2), cStep, buffer, chunk, lanes, beta);
      else storeRows(c + row * cStep + (column << 2), cStep, buffer, chunk, lanes, beta);
    }
    column += vectors << 2;
    vectorsLeft -= vectors;
  }
}

// out[r, i, j] = a[r, i] * b[r, j] + beta * out[r, i, j]
export function outerRowsF32(out: usize, a: usize, b: usize, rows: usize, m: u32, n: u32, beta: f32): void {
  const keep = f32x4.splat(beta);
  for (let r: usize = 0; r < rows; r++, b += <usize>n << 2)
    for (let i: usize = 0; i < m; i++, a += 4) {
      const factor = v128.load32_splat(a);
      for (let j: usize = 0; j < n; j += 4) {
        const count = <usize>n - j;
        let v = f32x4.mul(factor, loadUpTo4(b + (j << 2), count));
        if (beta != 0) v = f32x4.add(v, f32x4.mul(keep, loadUpTo4(out, count)));
        storeUpTo4(out, v, count);
        out += min<usize>(count, 4) << 2;
      }
    }
}
