// Convolutions and their data gradients on images with many exact zeros: pixels behind a rectifier, deltas behind a pooling.
// The non-zeros of an image are one list, pixel by pixel and channel by channel, so that a window row of taps is one run of
// it; and an output pixel adds run after run to 32 or 16 output channels in registers. Skipped terms are exact zeros.
import { activate } from './elementary';
import {
  adjoint,
  batch,
  chainChannels,
  inHeight,
  inWidth,
  kernelHeight,
  kernelWidth,
  laneChannels,
  outHeight,
  outWidth,
  packWeights,
  padding,
  stride,
} from './conv_shape';
import { countNonZeros, kListBytes, lists } from './gemm_lists';
import { kScratchBytes, scratch } from './tile';

const kMaxPixels: usize = 4096;
// Where the list of each pixel starts.
const starts = memory.data(16388, 16);
// Chains of four output pixels, 128 bytes each.
const chains = memory.data(512, 16);
// The biases of the channels in hand, with zeros behind the last.
const biases = memory.data(128, 16);

// Vectors of result channels that are held at once, 8 or 4; 0: this shape does not go by lists.
export function listVectors(): usize {
  const chain = kernelHeight * kernelWidth * chainChannels;
  if (inHeight * inWidth > kMaxPixels) return 0;
  // Behind a stride, a data gradient uses every other tap.
  if (chain << 6 > kScratchBytes || (adjoint && stride != 1)) return 0;
  return laneChannels > 16 && chain << 7 <= kScratchBytes ? 8 : 4;
}

// Whether an image has few enough non-zeros to gain, and for the memory of the lists.
export function isListed(image: usize): bool {
  const total = chainChannels * inHeight * inWidth;
  const live = countNonZeros(image, total);
  return live * 100 < total * 85 && (live + 4) << 3 <= kListBytes;
}

// Entries: offset in the panel of taps of column x and the value. The adjoint goes through its windows from right to left.
function listPixels(image: usize, width: usize): void {
  const plane = (inHeight * inWidth) << 2;
  const step: usize = chainChannels * width;
  let at = lists;
  let start = starts;
  for (let y: usize = 0; y < inHeight; y++, image += inWidth << 2)
    for (let i: usize = 0; i < inWidth; i++, start += 4) {
      store<u32>(start, <u32>at);
      const x = adjoint ? inWidth - 1 - i : i;
      let offset: usize = adjoint ? 0 - x * step : x * step;
      let from = image + (x << 2);
      for (let channel: usize = 0; channel < chainChannels; channel++, from += plane, offset += width) {
        const v = load<f32>(from);
        store<u32>(at, <u32>offset);
        store<f32>(at, v, 4);
        at += <usize>(v != 0) << 3;
      }
    }
  store<u32>(start, <u32>at);
}

// Runs of one output pixel: `rows` of them, 1 or more, from the list at start to the one `span` bytes on in the table. One loop for
// all runs: with a loop in a loop, the compiler keeps the sums in memory.
function windowChains8(start: usize, startStep: usize, span: usize, panel: usize, panelStep: usize, rows: isize, out: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let s4 = f32x4.splat(0);
  let s5 = f32x4.splat(0);
  let s6 = f32x4.splat(0);
  let s7 = f32x4.splat(0);
  let at = <usize>load<u32>(start);
  let end = <usize>load<u32>(start + span);
  while (true) {
    if (at >= end) {
      if (--rows <= 0) break;
      start += startStep;
      panel += panelStep;
      at = <usize>load<u32>(start);
      end = <usize>load<u32>(start + span);
      continue;
    }
    const w = panel + <usize>load<u32>(at);
    const x = v128.load32_splat(at, 4);
    at += 8;
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(w)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(w, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(w, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(w, 48)));
    s4 = f32x4.add(s4, f32x4.mul(x, v128.load(w, 64)));
    s5 = f32x4.add(s5, f32x4.mul(x, v128.load(w, 80)));
    s6 = f32x4.add(s6, f32x4.mul(x, v128.load(w, 96)));
    s7 = f32x4.add(s7, f32x4.mul(x, v128.load(w, 112)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
  v128.store(out, s6, 96);
  v128.store(out, s7, 112);
}

function windowChains4(start: usize, startStep: usize, span: usize, panel: usize, panelStep: usize, rows: isize, out: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let at = <usize>load<u32>(start);
  let end = <usize>load<u32>(start + span);
  while (true) {
    if (at >= end) {
      if (--rows <= 0) break;
      start += startStep;
      panel += panelStep;
      at = <usize>load<u32>(start);
      end = <usize>load<u32>(start + span);
      continue;
    }
    const w = panel + <usize>load<u32>(at);
    const x = v128.load32_splat(at, 4);
    at += 8;
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(w)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(w, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(w, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(w, 48)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
}

function pixelChains(y: isize, x: isize, vectors: usize, out: usize): void {
  const width = vectors << 4;
  const step = <isize>(chainChannels * width);
  const w = <isize>inWidth;
  const panelStep = <isize>kernelWidth * step;
  // The window's first row and column in the image, or of the adjoint its last; taps that fall into the padding are left out.
  const top = adjoint ? y + <isize>padding : y * <isize>stride - <isize>padding;
  const left = adjoint ? x + <isize>padding : x * <isize>stride - <isize>padding;
  const lastRow = <isize>inHeight - 1;
  const ky = max<isize>(0, adjoint ? top - lastRow : -top);
  const kyEnd = min(<isize>kernelHeight, adjoint ? top + 1 : lastRow + 1 - top);
  const kx = max<isize>(0, adjoint ? left - (w - 1) : -left);
  const kxEnd = min(<isize>kernelWidth, adjoint ? left + 1 : w - left);
  const row = adjoint ? top - ky : top + ky;
  const column = adjoint ? w - 1 - (left - kx) : left + kx;
  const start = <isize>starts + ((row * w + column) << 2);
  const panel = <isize>scratch + ky * panelStep + (adjoint ? left : -left) * step;
  const rows = kyEnd - ky;
  const span = (kxEnd - kx) << 2;
  const startStep = (adjoint ? -w : w) << 2;
  // A window in the padding alone.
  if (rows <= 0 || kxEnd <= kx) memory.fill(out, 0, width);
  else if (vectors == 8) windowChains8(start, startStep, span, panel, panelStep, rows, out);
  else windowChains4(start, startStep, span, panel, panelStep, rows, out);
}

// Chains of up to four pixels side by side to the planes of their channels, + bias and activation.
function storePixels(to: usize, plane: usize, pixels: usize, lanes: usize, bias: usize, activation: u32): void {
  for (let lane: usize = 0; lane < lanes; lane += 4, to += plane << 2) {
    const from = chains + (lane << 2);
    const count = min<usize>(lanes - lane, 4);
    for (let r: usize = 0; r < pixels && (bias || activation); r++) {
      const at = from + (r << 7);
      let v = v128.load(at);
      if (bias) v = f32x4.add(v, v128.load(bias + (lane << 2)));
      v128.store(at, activation ? activate(activation, v) : v);
    }
    if (pixels == 4 && count == 4) {
      const a0 = v128.load(from);
      const a1 = v128.load(from, 128);
      const a2 = v128.load(from, 256);
      const a3 = v128.load(from, 384);
      const low01 = v128.shuffle<f32>(a0, a1, 0, 4, 1, 5);
      const low23 = v128.shuffle<f32>(a2, a3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(a0, a1, 2, 6, 3, 7);
      const high23 = v128.shuffle<f32>(a2, a3, 2, 6, 3, 7);
      const p1 = to + plane;
      const p2 = p1 + plane;
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(p1, v128.shuffle<i64>(low01, low23, 1, 3));
      v128.store(p2, v128.shuffle<i64>(high01, high23, 0, 2));
      v128.store(p2 + plane, v128.shuffle<i64>(high01, high23, 1, 3));
      continue;
    }
    for (let i: usize = 0; i < count; i++)
      for (let r: usize = 0; r < pixels; r++)
        store<f32>(to + i * plane + (r << 2), load<f32>(from + (r << 7) + (i << 2)));
  }
}

// Does the images with many zeros and returns how many they are. `bias`: null, or of the result's channels.
export function correlateLists(out: usize, source: usize, w: usize, bias: usize, activation: u32, vectors: usize): usize {
  const chain = kernelHeight * kernelWidth * chainChannels;
  const inImage = (chainChannels * inHeight * inWidth) << 2;
  const plane = (outHeight * outWidth) << 2;
  let done: usize = 0;
  for (let image: usize = 0; image < batch; image++) done += <usize>isListed(source + image * inImage);
  if (done == 0) return 0;
  for (let lane: usize = 0; lane < laneChannels; lane += vectors << 2) {
    packWeights(scratch, w, lane, vectors, 0, chain);
    const lanes = min(laneChannels - lane, vectors << 2);
    let biasAt: usize = 0;
    if (bias) {
      memory.fill(biases, 0, 128);
      memory.copy(biases, bias + (lane << 2), lanes << 2);
      biasAt = biases;
    }
    for (let image: usize = 0; image < batch; image++) {
      if (!isListed(source + image * inImage)) continue;
      listPixels(source + image * inImage, vectors << 4);
      let to = out + (image * laneChannels + lane) * plane;
      for (let y: usize = 0; y < outHeight; y++)
        for (let x: usize = 0; x < outWidth; ) {
          const pixels = min<usize>(outWidth - x, 4);
          for (let r: usize = 0; r < pixels; r++) pixelChains(y, x + r, vectors, chains + (r << 7));
          storePixels(to, plane, pixels, lanes, biasAt, activation);
          to += pixels << 2;
          x += pixels;
        }
    }
  }
  return done;
}
