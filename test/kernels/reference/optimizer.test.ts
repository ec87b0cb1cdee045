import { describe, expect, it } from 'vitest';
import * as optimizer from '../../../src/kernels/reference/optimizer.js';

const f32 = (...values: number[]) => Float32Array.from(values);
const none = new Float32Array(0);

describe('SGD', () => {
  it('takes steps worked by hand: plain, momentum, Nesterov, decay', () => {
    const plain = f32(1);
    optimizer.sgdStepF32(plain, none, f32(2), 0.25, 0, 0, 0.5);
    expect(plain[0]).toBe(1 - 0.25 * (2 + 0.5));
    const w = f32(1);
    const v = f32(4);
    optimizer.sgdStepF32(w, v, f32(2), 0.25, 0.5, 0, 0);
    expect([w[0], v[0]]).toEqual([0, 4]);
    const nesterov = f32(1);
    optimizer.sgdStepF32(nesterov, f32(4), f32(2), 0.25, 0.5, 1, 0);
    expect(nesterov[0]).toBe(1 - 0.25 * (2 + 0.5 * 4));
  });
  it('does not touch infinite weights when decay is 0', () => {
    const w = f32(Number.POSITIVE_INFINITY);
    optimizer.sgdStepF32(w, none, f32(1), 0.1, 0, 0, 0);
    expect(w[0]).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('Adam', () => {
  it('moves by the learning rate at its first step, whatever the gradient', () => {
    const w = f32(1, 1, 1);
    const state = [new Float32Array(3), new Float32Array(3)] as const;
    optimizer.adamStepF32(w, ...state, f32(5, -0.01, 300), 0.125, 0.875, 0.984375, 0, 0, 0.875, 0.984375);
    expect(w[0]).toBeCloseTo(0.875, 6);
    expect(w[1]).toBeCloseTo(1.125, 6);
    expect(w[2]).toBeCloseTo(0.875, 6);
  });
});

describe('terms added to a gradient', () => {
  it('affine term with and without centre and vector', () => {
    const run = (center: Float32Array, v: Float32Array) => {
      const g = f32(1);
      optimizer.addAffineTermF32(g, f32(5), center, v, 2);
      return g[0];
    };
    expect(run(f32(3), f32(10))).toBe(1 + 2 * 2 + 10);
    expect(run(none, f32(10))).toBe(1 + 2 * 5 + 10);
    expect(run(f32(3), none)).toBe(1 + 2 * 2);
  });
  it('elementwise pull towards a centre', () => {
    const g = f32(1, 1);
    optimizer.addAffineVectorF32(g, f32(2, 0.5), f32(4, 4), f32(1, 8));
    expect([...g]).toEqual([7, -1]);
  });
});

describe('global clipping', () => {
  it('brings a gradient of norm 5 to the bound and leaves a small one alone', () => {
    const x = f32(3, 4);
    optimizer.clipByNormF32(x, Float64Array.of(25), 1);
    expect(Math.hypot(...x)).toBeLessThanOrEqual(1);
    expect(Math.hypot(...x)).toBeGreaterThan(1 - 1e-6);
    const small = f32(0.3, 0.4);
    optimizer.clipByNormF32(small, Float64Array.of(0.25), 1);
    expect([...small]).toEqual([...f32(0.3, 0.4)]);
  });
});
