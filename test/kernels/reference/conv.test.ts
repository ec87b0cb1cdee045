import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convKernels } from '../../../src/kernels/reference/conv.js';

const none = new Float32Array(0);

const shapes = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    inChannels: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 3, max: 6 }),
    width: fc.integer({ min: 3, max: 6 }),
    outChannels: fc.integer({ min: 1, max: 3 }),
    kernelHeight: fc.integer({ min: 1, max: 3 }),
    kernelWidth: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 2 }),
    padding: fc.integer({ min: 0, max: 2 }),
  })
  .map((s) => ({
    ...s,
    outHeight: Math.floor((s.height + 2 * s.padding - s.kernelHeight) / s.stride) + 1,
    outWidth: Math.floor((s.width + 2 * s.padding - s.kernelWidth) / s.stride) + 1,
  }));
type Shape = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

const geometry = (s: Shape) =>
  [
    s.batch,
    s.inChannels,
    s.height,
    s.width,
    s.outChannels,
    s.kernelHeight,
    s.kernelWidth,
    s.stride,
    s.padding,
    s.outHeight,
    s.outWidth,
  ] as const;
/** Small integers: every sum below is exact in float32, in any order. */
const integers = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => (((i + seed) * 31) % 7) - 3);
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const operands = (s: Shape) => ({
  x: integers(s.batch * s.inChannels * s.height * s.width, 1),
  w: integers(s.outChannels * s.inChannels * s.kernelHeight * s.kernelWidth, 2),
  dy: integers(s.batch * s.outChannels * s.outHeight * s.outWidth, 3),
});

describe.each(['plain', 'fma'] as const)('convolution, profile %s', (profile) => {
  const { conv2dF32, conv2dDataGradF32, conv2dWeightGradF32, conv2dWeightGradRowsF32 } = convKernels(profile);

  it('gives the correlation worked by hand', () => {
    const y = new Float32Array(4);
    const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    conv2dF32(y, x, Float32Array.of(1, 0, 0, -1), Float32Array.of(4.5), 1, 1, 3, 3, 1, 2, 2, 1, 0, 2, 2, 1);
    expect([...y]).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it('has the two gradients as its adjoints: <dy, conv(x, w)> = <dx, x> = <dw, w>', () => {
    fc.assert(
      fc.property(shapes, (s) => {
        const { x, w, dy } = operands(s);
        const y = new Float32Array(dy.length);
        const dx = new Float32Array(x.length);
        const dw = new Float32Array(w.length);
        conv2dF32(y, x, w, none, ...geometry(s), 0);
        conv2dDataGradF32(dx, dy, w, ...geometry(s));
        conv2dWeightGradF32(dw, x, dy, ...geometry(s), 1, 0);
        expect(dot(dx, x)).toBe(dot(dy, y));
        expect(dot(dw, w)).toBe(dot(dy, y));
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it('has weight gradients of single images that add up to that of the batch', () => {
    fc.assert(
      fc.property(shapes, (s) => {
        const { x, w, dy } = operands(s);
        const whole = new Float32Array(w.length).fill(1);
        const rows = new Float32Array(s.batch * w.length);
        conv2dWeightGradF32(whole, x, dy, ...geometry(s), -2, 3);
        conv2dWeightGradRowsF32(rows, x, dy, ...geometry(s), 0);
        for (let i = 0; i < w.length; i++) {
          let sum = 0;
          for (let image = 0; image < s.batch; image++) sum += rows[image * w.length + i];
          expect(whole[i]).toBe(-2 * sum + 3);
        }
      }),
      { seed: 6, numRuns: 100 },
    );
  });
});
