// Convolutions on NCHW images as products of packed pixels (broadcast) and packed weights (in lanes); see docs/kernels.md
// for the order of the chains. Offsets in bytes, sizes in elements.
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
  setShape,
  stride,
} from './conv_shape';
import { correlateLists, isListed, listVectors } from './conv_lists';
import { finishRows, kPitch, kScratchBytes, scratch, storeTurned, tileRows } from './tile';

// Longest piece of a chain that is packed at once, and pixels side by side in a tile.
const kMaxChain: usize = 1024;
const kMaxPixels: usize = 16;
const pixels = memory.data(65536, 16);
const buffer = memory.data(512, 16);

// Pixels (y, x) .. (y, x + rows - 1) of the result: what chain step from + p of pixel r multiplies stands at
// (p * kMaxPixels + r).
function packPixels(image: usize, y: usize, x: usize, rows: usize, from: usize, count: usize): void {
  const plane = (inHeight * inWidth) << 2;
  for (let p: usize = 0; p < count; ) {
    const tap = (from + p) / chainChannels;
    const channel = (from + p) % chainChannels;
    const run = min(chainChannels - channel, count - p);
    const ky = <i32>(tap / kernelWidth);
    const kx = <i32>(tap % kernelWidth);
    const top = <i32>(adjoint ? y : y * stride) + (adjoint ? <i32>padding - ky : ky - <i32>padding);
    const sy = adjoint ? top / <i32>stride : top;
    const rowInside = top >= 0 && sy < <i32>inHeight && !(adjoint && top % <i32>stride != 0);
    const source = image + channel * plane;
    for (let r: usize = 0; r < rows; r++) {
      const column = x + r;
      const left = <i32>(adjoint ? column : column * stride) + (adjoint ? <i32>padding - kx : kx - <i32>padding);
      const sx = adjoint ? left / <i32>stride : left;
      const inside = rowInside && left >= 0 && sx < <i32>inWidth && !(adjoint && left % <i32>stride != 0);
      let to = pixels + ((p * kMaxPixels + r) << 2);
      const end = to + run * (kMaxPixels << 2);
      if (inside) {
        let at = source + ((<usize>sy * inWidth + <usize>sx) << 2);
        for (; to < end; to += kMaxPixels << 2, at += plane) store<f32>(to, load<f32>(at));
      } else {
        for (; to < end; to += kMaxPixels << 2) store<f32>(to, 0);
      }
    }
    p += run;
  }
}

// The buffer takes up chains that an earlier piece left in out.
function loadTurned(from: usize, plane: usize, rows: usize, lanes: usize): void {
  for (let lane: usize = 0; lane < lanes; lane++, from += plane)
    for (let r: usize = 0; r < rows; r++)
      store<f32>(buffer + r * kPitch + (lane << 2), load<f32>(from + (r << 2)));
}

// Strips of lanes over one tile of pixels; `to` is where pixel 0 of lane `lane` goes.
function pixelTile(
  to: usize,
  bias: usize,
  rows: usize,
  lane: usize,
  vectorsLeft: usize,
  count: usize,
  starts: bool,
  ends: bool,
  activation: u32,
): void {
  const plane = (outHeight * outWidth) << 2;
  let weights = scratch;
  while (vectorsLeft > 0) {
    const vectors = min<usize>(vectorsLeft, 2);
    const lanes = min(laneChannels - lane, vectors << 2);
    const at = to + lane * plane;
    memory.fill(buffer, 0, rows * kPitch);
    if (!starts) loadTurned(at, plane, rows, lanes);
    tileRows(pixels, 4, kMaxPixels << 2, weights, vectors << 4, count, buffer, rows, vectors);
    if (ends && (bias || activation))
      finishRows(buffer, rows, lanes, bias ? bias + (lane << 2) : 0, false, 1, activation);
    storeTurned(at, plane, buffer, rows, lanes, 0);
    weights += (count * vectors) << 4;
    lane += vectors << 2;
    vectorsLeft -= vectors;
  }
}

// By lists where an image has many zeros, else as products of packed pixels.
function correlate(out: usize, source: usize, w: usize, bias: usize, activation: u32): void {
  const listed = listVectors();
  const done = listed > 0 ? correlateLists(out, source, w, bias, activation, listed) : 0;
  if (done == batch) return;
  const chain = kernelHeight * kernelWidth * chainChannels;
  const vectors = (laneChannels + 3) >> 2;
  const inImage = (chainChannels * inHeight * inWidth) << 2;
  const outImage = (laneChannels * outHeight * outWidth) << 2;
  for (let from: usize = 0; from < chain; from += kMaxChain) {
    const count = min(chain - from, kMaxChain);
    // As many strips as fit are packed together, so that a tile of pixels is packed once for all of them.
    const fits = kScratchBytes / (count << 4);
    for (let first: usize = 0; first < vectors; first += fits) {
      const group = min(vectors - first, fits);
      let panel = scratch;
      for (let v: usize = 0; v < group; ) {
        const strip = min<usize>(group - v, 2);
        packWeights(panel, w, (first + v) << 2, strip, from, count);
        panel += (count * strip) << 4;
        v += strip;
      }
      for (let image: usize = 0; image < batch; image++) {
        if (done > 0 && isListed(source + image * inImage)) continue;
        for (let y: usize = 0; y < outHeight; y++)
          for (let x: usize = 0; x < outWidth; ) {
            const left = outWidth - x;
            const rows = left > kMaxPixels ? min<usize>(kMaxPixels, ((left + 1) >> 1) + 3) & ~3 : left;
            packPixels(source + image * inImage, y, x, rows, from, count);
            const to = out + image * outImage + ((y * outWidth + x) << 2);
            pixelTile(to, bias, rows, first << 2, group, count, from == 0, from + count == chain, activation);
            x += rows;
          }
      }
    }
  }
}

export function conv2dF32(
  y: usize,
  x: usize,
  w: usize,
  bias: usize,
  images: u32,
  inChannels: u32,
  height: u32,
  width: u32,
  outChannels: u32,
  kernelRows: u32,
  kernelColumns: u32,
  step: u32,
  pad: u32,
  rows: u32,
  columns: u32,
  activation: u32,
): void {
  setShape(
    false,
    images,
    inChannels,
    height,
    width,
    outChannels,
    kernelRows,
    kernelColumns,
    step,
    pad,
    rows,
    columns,
  );
  correlate(y, x, w, bias, activation);
}

export function conv2dDataGradF32(
  dx: usize,
  dy: usize,
  w: usize,
  images: u32,
  inChannels: u32,
  height: u32,
  width: u32,
  outChannels: u32,
  kernelRows: u32,
  kernelColumns: u32,
  step: u32,
  pad: u32,
  rows: u32,
  columns: u32,
): void {
  setShape(
    true,
    images,
    inChannels,
    height,
    width,
    outChannels,
    kernelRows,
    kernelColumns,
    step,
    pad,
    rows,
    columns,
  );
  correlate(dx, dy, w, 0, 0);
}
export { conv2dWeightGradF32, conv2dWeightGradRowsF32 } from './conv_weights';
