import { describe, expect, it } from 'vitest';
import {
  averagePoolF32,
  averagePoolGradF32,
  maxPoolF32,
  maxPoolGatherF32,
  maxPoolGradF32,
} from '../../../src/kernels/reference/pool.js';

const plane = Float32Array.of(1, 5, 2, 2, 3, 4, 8, 2, 0, -1, -7, -7, -2, 0, -7, -8);
const halves = [1, 1, 4, 4, 2, 2, 2, 2] as const;

describe('max-pooling', () => {
  const y = new Float32Array(4);
  const argmax = new Uint32Array(4);
  maxPoolF32(y, argmax, plane, ...halves);

  it('takes the largest of each window, the first of equals', () => {
    expect([...y]).toEqual([5, 8, 0, -7]);
    expect([...argmax]).toEqual([1, 6, 8, 10]);
  });
  it('sends the gradient to the winners, adding where windows overlap', () => {
    const dx = new Float32Array(4).fill(9);
    maxPoolGradF32(dx, Float32Array.of(1, 2, 4), Uint32Array.of(3, 0, 3));
    expect([...dx]).toEqual([2, 0, 0, 5]);
  });
  it('reads the winners of another tensor', () => {
    const tangent = new Float32Array(4);
    maxPoolGatherF32(
      tangent,
      plane.map((v) => v * 10),
      argmax,
    );
    expect([...tangent]).toEqual([50, 80, 0, -70]);
  });
  it('lets a NaN win only where it stands first', () => {
    const x = Float32Array.of(Number.NaN, 1, 2, 3, 1, Number.NaN, 2, 3);
    const out = new Float32Array(2);
    maxPoolF32(out, new Uint32Array(2), x, 2, 1, 2, 2, 2, 2, 1, 1);
    expect([...out]).toEqual([Number.NaN, 3]);
  });
});

describe('average-pooling', () => {
  it('takes the mean of each window', () => {
    const y = new Float32Array(4);
    averagePoolF32(y, plane, ...halves);
    expect([...y]).toEqual([3.25, 3.5, -0.75, -7.25]);
  });
  it('spreads the gradient, adding where windows overlap', () => {
    const dx = new Float32Array(9);
    averagePoolGradF32(dx, Float32Array.of(4, 8, 12, 16), 1, 1, 3, 3, 2, 1, 2, 2);
    expect([...dx]).toEqual([1, 3, 2, 4, 10, 6, 3, 7, 4]);
  });
});
