// Weight gradients of convolutions: every non-zero delta adds its window of the image to the sums of its output channel.
// Sums lie as [outChannel][ky][kx, inChannel], images as [y][x][inChannel], so that a window row is one run of memory.
import { kScratchBytes, scratch } from './tile';

const kHalf: usize = kScratchBytes >> 1;
const kMaxDeltas: usize = 1024;
// Non-zero deltas of one output channel in reading order: byte offset of the window, value.
const deltas = memory.data(8192, 16);

let inChannels: usize;
let height: usize;
let width: usize;
let outChannels: usize;
let kernelHeight: usize;
let kernelWidth: usize;
let stride: usize;
let padding: usize;
let outHeight: usize;
let outWidth: usize;
// The block of channels in hand, and the vectors of one row of sums.
let firstIn: usize;
let ins: usize;
let firstOut: usize;
let outs: usize;
let vectors: usize;

// sums[0 .. 8 vectors) += delta * window for every delta of the list.
function addWindows8(sums: usize, window: usize, count: usize): void {
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  let s2 = v128.load(sums, 32);
  let s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64);
  let s5 = v128.load(sums, 80);
  let s6 = v128.load(sums, 96);
  let s7 = v128.load(sums, 112);
  const end = deltas + (count << 3);
  for (let at = deltas; at < end; at += 8) {
    const from = window + <usize>load<u32>(at);
    const delta = v128.load32_splat(at, 4);
    s0 = f32x4.add(s0, f32x4.mul(delta, v128.load(from)));
    s1 = f32x4.add(s1, f32x4.mul(delta, v128.load(from, 16)));
    s2 = f32x4.add(s2, f32x4.mul(delta, v128.load(from, 32)));
    s3 = f32x4.add(s3, f32x4.mul(delta, v128.load(from, 48)));
    s4 = f32x4.add(s4, f32x4.mul(delta, v128.load(from, 64)));
    s5 = f32x4.add(s5, f32x4.mul(delta, v128.load(from, 80)));
    s6 = f32x4.add(s6, f32x4.mul(delta, v128.load(from, 96)));
    s7 = f32x4.add(s7, f32x4.mul(delta, v128.load(from, 112)));
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
  v128.store(sums, s4, 64);
  v128.store(sums, s5, 80);
  v128.store(sums, s6, 96);
  v128.store(sums, s7, 112);
}

function addWindows2(sums: usize, window: usize, count: usize): void {
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  const end = deltas + (count << 3);
  for (let at = deltas; at < end; at += 8) {
    const from = window + <usize>load<u32>(at);
    const delta = v128.load32_splat(at, 4);
    s0 = f32x4.add(s0, f32x4.mul(delta, v128.load(from)));
    s1 = f32x4.add(s1, f32x4.mul(delta, v128.load(from, 16)));
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
}

// All rows of sums of one output channel. Rows have an even number of vectors.
function flush(sums: usize, images: usize, rowBytes: usize, count: usize): void {
  for (let ky: usize = 0; ky < kernelHeight; ky++, images += rowBytes) {
    let window = images;
    let left = vectors;
    // Two calls, because one that stands alone would be inlined, and in a loop of loops the sums would go to memory.
    for (; left >= 16; left -= 8, sums += 128, window += 128) addWindows8(sums, window, count);
    for (; left >= 8; left -= 8, sums += 128, window += 128) addWindows8(sums, window, count);
    for (; left > 0; left -= 2, sums += 32, window += 32) addWindows2(sums, window, count);
  }
}

// Rows top .. top + rows of the padded image as [y][x][channel].
function packImage(to: usize, image: usize, top: usize, rows: usize): void {
  const rowBytes = ((width + 2 * padding) * ins) << 2;
  memory.fill(to, 0, rows * rowBytes);
  for (let row: usize = 0; row < rows; row++, to += rowBytes) {
    if (top + row < padding || top + row >= padding + height) continue;
    for (let channel: usize = 0; channel < ins; channel++) {
      let from = image + ((((firstIn + channel) * height + top + row - padding) * width) << 2);
      const end = from + (width << 2);
      for (let at = to + ((padding * ins + channel) << 2); from < end; from += 4, at += ins << 2)
        store<f32>(at, load<f32>(from));
    }
  }
}

function addBand(sums: usize, images: usize, dy: usize, top: usize, rows: usize): void {
  const rowBytes = ((width + 2 * padding) * ins) << 2;
  const sumBytes = (kernelHeight * vectors) << 4;
  for (let out: usize = 0; out < outs; out++, sums += sumBytes) {
    let from = dy + ((((firstOut + out) * outHeight + top) * outWidth) << 2);
    let count: usize = 0;
    for (let y: usize = 0; y < rows; y++)
      for (let x: usize = 0; x < outWidth; x++, from += 4) {
        const delta = load<f32>(from);
        const at = deltas + (count << 3);
        store<u32>(at, <u32>(y * stride * rowBytes + ((x * stride * ins) << 2)));
        store<f32>(at, delta, 4);
        count += <usize>(delta != 0);
        if (count == kMaxDeltas) {
          flush(sums, images, rowBytes, count);
          count = 0;
        }
      }
    if (count > 0) flush(sums, images, rowBytes, count);
  }
}

function storeWeights(dw: usize, sums: usize, alpha: f32, beta: f32): void {
  for (let out: usize = 0; out < outs; out++)
    for (let channel: usize = 0; channel < ins; channel++) {
      let at = dw + ((((firstOut + out) * inChannels + firstIn + channel) * kernelHeight * kernelWidth) << 2);
      for (let ky: usize = 0; ky < kernelHeight; ky++)
        for (let kx: usize = 0; kx < kernelWidth; kx++, at += 4) {
          const row = sums + (((out * kernelHeight + ky) * vectors) << 4);
          let v = load<f32>(row + ((kx * ins + channel) << 2));
          if (alpha != 1) v = alpha * v;
          store<f32>(at, beta == 0 ? v : v + beta * load<f32>(at));
        }
    }
}

// For images so wide that not even one window row of one channel fits into the scratch: every chain by itself.
function gradientOfWideImages(dw: usize, x: usize, dy: usize, batch: usize, alpha: f32, beta: f32): void {
  const taps = kernelHeight * kernelWidth;
  const weights = outChannels * inChannels * taps;
  for (let at: usize = 0; at < weights; at++, dw += 4) {
    const out = at / (inChannels * taps);
    const channel = (at / taps) % inChannels;
    const ky = (at % taps) / kernelWidth;
    const kx = at % kernelWidth;
    let sum: f32 = 0;
    for (let image: usize = 0; image < batch; image++)
      for (let y: usize = 0; y < outHeight; y++)
        for (let column: usize = 0; column < outWidth; column++) {
          const iy = y * stride + ky - padding; // wraps to a large number where it is negative
          const ix = column * stride + kx - padding;
          if (iy >= height || ix >= width) continue;
          const delta = load<f32>(dy + ((((image * outChannels + out) * outHeight + y) * outWidth + column) << 2));
          sum += delta * load<f32>(x + ((((image * inChannels + channel) * height + iy) * width + ix) << 2));
        }
    if (alpha != 1) sum = alpha * sum;
    store<f32>(dw, beta == 0 ? sum : sum + beta * load<f32>(dw));
  }
}

function gradient(dw: usize, x: usize, dy: usize, batch: usize, alpha: f32, beta: f32): void {
  // A window row is read in pairs of vectors, so the pixels need room for a little more.
  const room = (kHalf >> 2) - 8;
  const paddedWidth = width + 2 * padding;
  const most = min(inChannels, room / (kernelHeight * paddedWidth));
  if (most == 0 || kernelHeight * (((kernelWidth * most + 7) >> 3) << 5) > kHalf) {
    gradientOfWideImages(dw, x, dy, batch, alpha, beta);
    return;
  }
  const bandRows = min(outHeight, (room / (paddedWidth * most) - kernelHeight) / stride + 1);
  const images = scratch + kHalf;
  for (firstIn = 0; firstIn < inChannels; firstIn += most) {
    ins = min(most, inChannels - firstIn);
    vectors = ((kernelWidth * ins + 7) >> 3) << 1;
    const sumBytes = (kernelHeight * vectors) << 4;
    const mostOut = kHalf / sumBytes;
    for (firstOut = 0; firstOut < outChannels; firstOut += mostOut) {
      outs = min(mostOut, outChannels - firstOut);
      memory.fill(scratch, 0, outs * sumBytes);
      for (let image: usize = 0; image < batch; image++) {
        const xAt = x + ((image * inChannels * height * width) << 2);
        const dyAt = dy + ((image * outChannels * outHeight * outWidth) << 2);
        for (let top: usize = 0; top < outHeight; top += bandRows) {
          const rows = min(bandRows, outHeight - top);
          packImage(images, xAt, top * stride, (rows - 1) * stride + kernelHeight);
          addBand(scratch, images, dyAt, top, rows);
        }
      }
      storeWeights(dw, scratch, alpha, beta);
    }
  }
}

export function conv2dWeightGradF32(
  dw: usize,
  x: usize,
  dy: usize,
  batch: u32,
  channels: u32,
  rows: u32,
  columns: u32,
  outputs: u32,
  kernelRows: u32,
  kernelColumns: u32,
  step: u32,
  pad: u32,
  outRows: u32,
  outColumns: u32,
  alpha: f32,
  beta: f32,
): void {
  inChannels = channels;
  height = rows;
  width = columns;
  outChannels = outputs;
  kernelHeight = kernelRows;
  kernelWidth = kernelColumns;
  stride = step;
  padding = pad;
  outHeight = outRows;
  outWidth = outColumns;
  gradient(dw, x, dy, batch, alpha, beta);
}

export function conv2dWeightGradRowsF32(
  out: usize,
  x: usize,
  dy: usize,
  batch: u32,
  channels: u32,
  rows: u32,
  columns: u32,
  outputs: u32,
  kernelRows: u32,
  kernelColumns: u32,
  step: u32,
  pad: u32,
  outRows: u32,
  outColumns: u32,
  beta: f32,
): void {
  const weights = <usize>(outputs * channels * kernelRows * kernelColumns) << 2;
  const xStep = <usize>(channels * rows * columns) << 2;
  const dyStep = <usize>(outputs * outRows * outColumns) << 2;
  for (let image: u32 = 0; image < batch; image++) {
    conv2dWeightGradF32(
      out,
      x,
      dy,
      1,
      channels,
      rows,
      columns,
      outputs,
      kernelRows,
      kernelColumns,
      step,
      pad,
      outRows,
      outColumns,
      1,
      beta,
    );
    out += weights;
    x += xStep;
    dy += dyStep;
  }
}
