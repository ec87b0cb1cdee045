// The tile of gemm and convolution: rows x lanes accumulators, each lane one chain over k. Never unrolled over k: more
// values in one loop body than the machine has registers would go to memory.
import { activate, loadUpTo4, storeUpTo4 } from './elementary';

// Working memory for packed panels, and the buffer in which chains end: rows kPitch bytes apart.
export const kScratchBytes: usize = 262144;
export const scratch: usize = memory.data(262144, 16);
export const kPitch: usize = 32;

function tile4x8(a: usize, rowStep: usize, kStep: usize, b: usize, bStep: usize, k: usize, out: usize): void {
  let a1 = a + rowStep;
  let a2 = a + 2 * rowStep;
  let a3 = a + 3 * rowStep;
  let c00 = v128.load(out);
  let c01 = v128.load(out, 16);
  let c10 = v128.load(out, 32);
  let c11 = v128.load(out, 48);
  let c20 = v128.load(out, 64);
  let c21 = v128.load(out, 80);
  let c30 = v128.load(out, 96);
  let c31 = v128.load(out, 112);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    x = v128.load32_splat(a2);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    c21 = f32x4.add(c21, f32x4.mul(x, b1));
    x = v128.load32_splat(a3);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    c31 = f32x4.add(c31, f32x4.mul(x, b1));
    a += kStep;
    a1 += kStep;
    a2 += kStep;
    a3 += kStep;
    b += bStep;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(out, c10, 32);
  v128.store(out, c11, 48);
  v128.store(out, c20, 64);
  v128.store(out, c21, 80);
  v128.store(out, c30, 96);
  v128.store(out, c31, 112);
}

function tile2x8(a: usize, rowStep: usize, kStep: usize, b: usize, bStep: usize, k: usize, out: usize): void {
  let a1 = a + rowStep;
  let c00 = v128.load(out);
  let c01 = v128.load(out, 16);
  let c10 = v128.load(out, 32);
  let c11 = v128.load(out, 48);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    a += kStep;
    a1 += kStep;
    b += bStep;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(out, c10, 32);
  v128.store(out, c11, 48);
}

function tile1x8(a: usize, rowStep: usize, kStep: usize, b: usize, bStep: usize, k: usize, out: usize): void {
  let c00 = v128.load(out);
  let c01 = v128.load(out, 16);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    a += kStep;
    b += bStep;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
}

function tile4x4(a: usize, rowStep: usize, kStep: usize, b: usize, bStep: usize, k: usize, out: usize): void {
  let a1 = a + rowStep;
  let a2 = a + 2 * rowStep;
  let a3 = a + 3 * rowStep;
  let c00 = v128.load(out);
  let c10 = v128.load(out, 32);
  let c20 = v128.load(out, 64);
  let c30 = v128.load(out, 96);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    let x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    x = v128.load32_splat(a1);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    x = v128.load32_splat(a2);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    x = v128.load32_splat(a3);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    a += kStep;
    a1 += kStep;
    a2 += kStep;
    a3 += kStep;
    b += bStep;
  }
  v128.store(out, c00);
  v128.store(out, c10, 32);
  v128.store(out, c20, 64);
  v128.store(out, c30, 96);
}

function tile1x4(a: usize, rowStep: usize, kStep: usize, b: usize, bStep: usize, k: usize, out: usize): void {
  let c00 = v128.load(out);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    a += kStep;
    b += bStep;
  }
  v128.store(out, c00);
}

// Four rows of eight whole chains, straight to c: + what was there if `adds`.
export function storeTile4x8(a: usize, rowStep: usize, kStep: usize, b: usize, bStep: usize, k: usize, c: usize, cStep: usize, adds: bool): void {
  let a1 = a + rowStep;
  let a2 = a + 2 * rowStep;
  let a3 = a + 3 * rowStep;
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(x, b0));
    c01 = f32x4.add(c01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1);
    c10 = f32x4.add(c10, f32x4.mul(x, b0));
    c11 = f32x4.add(c11, f32x4.mul(x, b1));
    x = v128.load32_splat(a2);
    c20 = f32x4.add(c20, f32x4.mul(x, b0));
    c21 = f32x4.add(c21, f32x4.mul(x, b1));
    x = v128.load32_splat(a3);
    c30 = f32x4.add(c30, f32x4.mul(x, b0));
    c31 = f32x4.add(c31, f32x4.mul(x, b1));
    a += kStep;
    a1 += kStep;
    a2 += kStep;
    a3 += kStep;
    b += bStep;
  }
  const r1 = c + cStep;
  const r2 = r1 + cStep;
  const r3 = r2 + cStep;
  if (adds) {
    c00 = f32x4.add(c00, v128.load(c));
    c01 = f32x4.add(c01, v128.load(c, 16));
    c10 = f32x4.add(c10, v128.load(r1));
    c11 = f32x4.add(c11, v128.load(r1, 16));
    c20 = f32x4.add(c20, v128.load(r2));
    c21 = f32x4.add(c21, v128.load(r2, 16));
    c30 = f32x4.add(c30, v128.load(r3));
    c31 = f32x4.add(c31, v128.load(r3, 16));
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(r1, c10);
  v128.store(r1, c11, 16);
  v128.store(r2, c20);
  v128.store(r2, c21, 16);
  v128.store(r3, c30);
  v128.store(r3, c31, 16);
}

// Goes on with the chains that stand in `out`, for `rows` rows of a and `vectors` (1 or 2) vectors of b. Steps in bytes.
export function tileRows(
  a: usize,
  rowStep: usize,
  kStep: usize,
  b: usize,
  bStep: usize,
  k: usize,
  out: usize,
  rows: usize,
  vectors: usize,
): void {
  while (rows > 0) {
    let part: usize = 1;
    if (vectors == 2) {
      if (rows >= 4) {
        tile4x8(a, rowStep, kStep, b, bStep, k, out);
        part = 4;
      } else if (rows >= 2) {
        tile2x8(a, rowStep, kStep, b, bStep, k, out);
        part = 2;
      } else tile1x8(a, rowStep, kStep, b, bStep, k, out);
    } else if (rows >= 4) {
      tile4x4(a, rowStep, kStep, b, bStep, k, out);
      part = 4;
    } else tile1x4(a, rowStep, kStep, b, bStep, k, out);
    a += part * rowStep;
    out += part * kPitch;
    rows -= part;
  }
}

// finishRows for eight lanes and no activation but the rectifier.
function finishWhole(buffer: usize, rows: usize, bias: usize, alpha: f32, relu: bool): void {
  const factor = f32x4.splat(alpha);
  const least = f32x4.splat(relu ? 0 : -Infinity);
  // What can be added to any number and changes no bit.
  const none = f32x4.splat(-0.0);
  const b0 = bias ? v128.load(bias) : none;
  const b1 = bias ? v128.load(bias, 16) : none;
  for (const end = buffer + rows * kPitch; buffer < end; buffer += kPitch) {
    v128.store(buffer, f32x4.pmax(f32x4.add(f32x4.mul(v128.load(buffer), factor), b0), least));
    v128.store(buffer, f32x4.pmax(f32x4.add(f32x4.mul(v128.load(buffer, 16), factor), b1), least), 16);
  }
}

// bias (one a lane, or one a row, or 0 for none) and activation on finished chains.
export function finishRows(
  buffer: usize,
  rows: usize,
  lanes: usize,
  bias: usize,
  biasOfRow: bool,
  alpha: f32,
  activation: u32,
): void {
  if (lanes == 8 && !biasOfRow && activation < 2) {
    finishWhole(buffer, rows, bias, alpha, activation == 1);
    return;
  }
  const factor = f32x4.splat(alpha);
  for (let r: usize = 0; r < rows; r++, buffer += kPitch)
    for (let lane: usize = 0; lane < lanes; lane += 4) {
      const at = buffer + (lane << 2);
      let v = v128.load(at);
      if (alpha != 1) v = f32x4.mul(v, factor);
      if (bias) {
        const term = biasOfRow ? v128.load32_splat(bias + (r << 2)) : loadUpTo4(bias + (lane << 2), lanes - lane);
        v = f32x4.add(v, term);
      }
      v128.store(at, activation ? activate(activation, v) : v);
    }
}

// c[row, lane] = the buffer's plus beta times the old value; rows of c are cStep bytes apart.
export function storeRows(c: usize, cStep: usize, buffer: usize, rows: usize, lanes: usize, beta: f32): void {
  if (lanes == 8 && (beta == 0 || beta == 1)) {
    for (const end = buffer + rows * kPitch; buffer < end; buffer += kPitch, c += cStep) {
      const v = v128.load(buffer);
      const u = v128.load(buffer, 16);
      v128.store(c, beta == 0 ? v : f32x4.add(v, v128.load(c)));
      v128.store(c, beta == 0 ? u : f32x4.add(u, v128.load(c, 16)), 16);
    }
    return;
  }
  const factor = f32x4.splat(beta);
  for (let r: usize = 0; r < rows; r++, buffer += kPitch, c += cStep)
    for (let lane: usize = 0; lane < lanes; lane += 4) {
      const at = c + (lane << 2);
      let v = v128.load(buffer + (lane << 2));
      if (beta != 0) v = f32x4.add(v, f32x4.mul(factor, loadUpTo4(at, lanes - lane)));
      storeUpTo4(at, v, lanes - lane);
    }
}

// c[lane, row] = the buffer's (row, lane) plus beta times the old value.
export function storeTurned(c: usize, cStep: usize, buffer: usize, rows: usize, lanes: usize, beta: f32): void {
  for (let lane: usize = 0; lane < lanes; lane++, c += cStep) {
    let from = buffer + (lane << 2);
    const end = c + (rows << 2);
    for (let at = c; at < end; at += 4, from += kPitch) {
      const v = load<f32>(from);
      store<f32>(at, beta == 0 ? v : v + beta * load<f32>(at));
    }
  }
}
