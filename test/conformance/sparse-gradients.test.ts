// Convolutions and their gradients take other ways when many inputs or deltas are zero, and when shapes outgrow the scratch
// memory: the bits must not show it. The table's cases are dense and small, so these shapes stand here.

import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../src/kernels/kernels.js';
import { createReference } from '../../src/kernels/reference.js';
import { availableBackends } from '../../src/kernels/select.js';

interface ConvShape {
  batch: number;
  inChannels: number;
  size: number;
  outChannels: number;
  kernel: number;
  stride: number;
  padding: number;
}

const backends = await availableBackends();

/** Deterministic numbers in (-0.5, 0.5); a share of them is zero. */
function numbers(length: number, seed: number, zeros = 0): Float32Array {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x100000000;
  };
  return Float32Array.from({ length }, () => {
    const kept = next() >= zeros;
    const value = next() - 0.5;
    return kept ? value : 0;
  });
}

function convolutions(kernels: Kernels, shape: ConvShape, zeros: number) {
  const { batch, inChannels, size, outChannels, kernel, stride, padding } = shape;
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const x = numbers(batch * inChannels * size * size, 1, zeros);
  const w = numbers(outChannels * inChannels * kernel * kernel, 2);
  const dy = numbers(batch * outChannels * out * out, 3, zeros);
  // One image is dense, so that both ways meet in one call.
  for (const images of [x, dy]) {
    const perImage = images.length / batch;
    images.set(numbers(perImage, 4), (batch - 1) * perImage);
  }
  const y = new Float32Array(dy.length);
  const bias = numbers(outChannels, 6);
  kernels.conv2dF32(
    y,
    x,
    w,
    bias,
    batch,
    inChannels,
    size,
    size,
    outChannels,
    kernel,
    kernel,
    stride,
    padding,
    out,
    out,
    1,
  );
  const dx = new Float32Array(x.length);
  const dw = numbers(w.length, 5);
  kernels.conv2dDataGradF32(
    dx,
    dy,
    w,
    batch,
    inChannels,
    size,
    size,
    outChannels,
    kernel,
    kernel,
    stride,
    padding,
    out,
    out,
  );
  kernels.conv2dWeightGradF32(
    dw,
    x,
    dy,
    batch,
    inChannels,
    size,
    size,
    outChannels,
    kernel,
    kernel,
    stride,
    padding,
    out,
    out,
    1,
    1,
  );
  return { y, dx, dw };
}

const shapes: [string, ConvShape][] = [
  ['wide padding', { batch: 2, inChannels: 3, size: 4, outChannels: 35, kernel: 3, stride: 1, padding: 4 }],
  ['padded 5x5', { batch: 3, inChannels: 6, size: 9, outChannels: 7, kernel: 5, stride: 1, padding: 2 }],
  ['stride 2', { batch: 2, inChannels: 17, size: 11, outChannels: 5, kernel: 3, stride: 2, padding: 1 }],
  ['one channel', { batch: 2, inChannels: 1, size: 28, outChannels: 4, kernel: 5, stride: 1, padding: 2 }],
  [
    'chains longer than one piece',
    { batch: 2, inChannels: 150, size: 5, outChannels: 130, kernel: 3, stride: 1, padding: 1 },
  ],
  [
    'images larger than the scratch',
    { batch: 2, inChannels: 3, size: 180, outChannels: 2, kernel: 3, stride: 1, padding: 1 },
  ],
];

for (const backend of backends)
  describe(`convolutions of zeros, ${backend.backend} ${backend.isa}`, () => {
    it.each(shapes)('equal the reference with nine of ten inputs and deltas zero: %s', (_name, shape) => {
      const want = convolutions(createReference(backend.profile), shape, 0.9);
      const got = convolutions(backend, shape, 0.9);
      expect(got.y).toEqual(want.y);
      expect(got.dx).toEqual(want.dx);
      expect(got.dw).toEqual(want.dw);
    });
  });
