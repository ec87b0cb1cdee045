// Data gradients of sparse deltas: behind a rectifier and a pooling most of them are zero. Every non-zero delta adds its
// weights to a window of dx, held as [y][x][channel] with its padding, tap by tap and channel by channel in chain order.
import {
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
import { kScratchBytes, scratch } from './tile';

const kMaxSparse: usize = 4096;
const kMaxChannels: usize = 1024;
// Byte offset of the window and value of every non-zero delta; where the list of each channel starts.
const deltas = memory.data(32776, 16);
const starts = memory.data(4100, 16);

// Vectors of result channels that are held at once, 4 or 2; 0: the panels do not fit, take the dense way.
export function sparseVectors(): usize {
  const steps = kernelHeight * kernelWidth * chainChannels + (outHeight + 2 * padding) * (outWidth + 2 * padding);
  if (chainChannels > kMaxChannels || steps * 32 > kScratchBytes) return 0;
  return laneChannels > 8 && steps * 64 <= kScratchBytes ? 4 : 2;
}

export function hasFewDeltas(dy: usize): bool {
  const total = chainChannels * inHeight * inWidth;
  const end = dy + (total << 2);
  let count: usize = 0;
  for (; dy < end; dy += 4) count += <usize>(load<f32>(dy) != 0);
  return count <= kMaxSparse && count * 3 <= total;
}

function listDeltas(dy: usize, rowStep: usize, width: usize): void {
  let at = deltas;
  for (let channel: usize = 0; channel < chainChannels; channel++) {
    store<u32>(starts + (channel << 2), <u32>(at - deltas));
    for (let y: usize = 0; y < inHeight; y++)
      for (let x: usize = 0; x < inWidth; x++, dy += 4) {
        const delta = load<f32>(dy);
        store<u32>(at, <u32>(y * stride * rowStep + x * stride * width));
        store<f32>(at, delta, 4);
        at += <usize>(delta != 0) << 3;
      }
  }
  store<u32>(starts + (chainChannels << 2), <u32>(at - deltas));
}

function addTap4(dx: usize, from: usize, end: usize, weights: usize): void {
  const w0 = v128.load(weights);
  const w1 = v128.load(weights, 16);
  const w2 = v128.load(weights, 32);
  const w3 = v128.load(weights, 48);
  for (; from < end; from += 8) {
    const to = dx + <usize>load<u32>(from);
    const delta = v128.load32_splat(from, 4);
    v128.store(to, f32x4.add(v128.load(to), f32x4.mul(delta, w0)));
    v128.store(to, f32x4.add(v128.load(to, 16), f32x4.mul(delta, w1)), 16);
    v128.store(to, f32x4.add(v128.load(to, 32), f32x4.mul(delta, w2)), 32);
    v128.store(to, f32x4.add(v128.load(to, 48), f32x4.mul(delta, w3)), 48);
  }
}

function addTap2(dx: usize, from: usize, end: usize, weights: usize): void {
  const w0 = v128.load(weights);
  const w1 = v128.load(weights, 16);
  for (; from < end; from += 8) {
    const to = dx + <usize>load<u32>(from);
    const delta = v128.load32_splat(from, 4);
    v128.store(to, f32x4.add(v128.load(to), f32x4.mul(delta, w0)));
    v128.store(to, f32x4.add(v128.load(to, 16), f32x4.mul(delta, w1)), 16);
  }
}

// The channels lane .. of one image; `to` is its first of them in dx.
function scatterImage(to: usize, dy: usize, lane: usize, vectors: usize, padded: usize): void {
  const width = vectors << 4;
  const rowStep = (outWidth + 2 * padding) * width;
  listDeltas(dy, rowStep, width);
  memory.fill(padded, 0, (outHeight + 2 * padding) * rowStep);
  let weights = scratch;
  for (let ky: usize = 0; ky < kernelHeight; ky++)
    for (let kx: usize = 0; kx < kernelWidth; kx++) {
      const window = padded + ky * rowStep + kx * width;
      for (let channel: usize = 0; channel < chainChannels; channel++, weights += width) {
        const from = deltas + <usize>load<u32>(starts + (channel << 2));
        const end = deltas + <usize>load<u32>(starts + (channel << 2), 4);
        if (vectors == 4) addTap4(window, from, end, weights);
        else addTap2(window, from, end, weights);
      }
    }
  const lanes = min(laneChannels - lane, vectors << 2);
  for (let i: usize = 0; i < lanes; i++)
    for (let y: usize = 0; y < outHeight; y++) {
      let from = padded + (y + padding) * rowStep + padding * width + (i << 2);
      const end = to + (outWidth << 2);
      for (; to < end; to += 4, from += width) store<f32>(to, load<f32>(from));
    }
}

// Does the images of few deltas and returns how many they are.
export function scatterImages(dx: usize, dy: usize, w: usize, vectors: usize): usize {
  const chain = kernelHeight * kernelWidth * chainChannels;
  const dyImage = (chainChannels * inHeight * inWidth) << 2;
  const plane = (outHeight * outWidth) << 2;
  let done: usize = 0;
  for (let image: usize = 0; image < batch; image++) done += <usize>hasFewDeltas(dy + image * dyImage);
  if (done == 0) return 0;
  for (let lane: usize = 0; lane < laneChannels; lane += vectors << 2) {
    packWeights(scratch, w, lane, vectors, 0, chain);
    for (let image: usize = 0; image < batch; image++)
      if (hasFewDeltas(dy + image * dyImage)) {
        const to = dx + (image * laneChannels + lane) * plane;
        scatterImage(to, dy + image * dyImage, lane, vectors, scratch + ((chain * vectors) << 4));
      }
  }
  return done;
}
