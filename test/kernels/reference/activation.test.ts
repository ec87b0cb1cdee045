import { describe, expect, it } from 'vitest';
import * as activation from '../../../src/kernels/reference/activation.js';
import { uniformF32 } from '../../../src/kernels/reference/random.js';

const grid = Float32Array.from({ length: 161 }, (_, i) => (i - 80) / 16);
const apply = (kernel: (y: Float32Array, x: Float32Array) => void, x: Float32Array) => {
  const y = new Float32Array(x.length);
  kernel(y, x);
  return y;
};

describe('gradients of activations', () => {
  it.each([
    ['tanh', activation.tanhF32, activation.tanhGradF32, Math.tanh],
    ['sigmoid', activation.sigmoidF32, activation.sigmoidGradF32, (x: number) => 1 / (1 + Math.exp(-x))],
  ] as const)('%s agrees with central differences in float64', (_name, forward, backward, exact) => {
    const dx = new Float32Array(grid.length);
    backward(dx, new Float32Array(grid.length).fill(2), apply(forward, grid));
    grid.forEach((x, i) => {
      const slope = (exact(x + 1e-5) - exact(x - 1e-5)) / 2e-5;
      expect(Math.abs(dx[i] - 2 * slope)).toBeLessThan(1e-6);
    });
  });

  it('the rectifier passes the gradient where its output is positive, and NaN in the input on', () => {
    const dx = new Float32Array(4);
    activation.reluGradF32(dx, Float32Array.of(1, 2, 3, 4), Float32Array.of(-1, 0, 0.5, Number.NaN));
    expect([...dx]).toEqual([0, 0, 3, 0]);
    expect([...apply(activation.reluF32, Float32Array.of(-2, 0, 3, Number.NaN))]).toEqual([
      0,
      0,
      3,
      Number.NaN,
    ]);
  });

  it('exp and log undo each other', () => {
    const back = apply(activation.logF32, apply(activation.expF32, grid));
    grid.forEach((x, i) => {
      expect(Math.abs(back[i] - x)).toBeLessThan(1e-6 * Math.max(1, Math.abs(x)));
    });
  });
});

describe('dropout', () => {
  const address = [1, 2, 0xfffffffe, 0, 3, 4] as const;
  const n = 20_000;
  const x = new Float32Array(n).fill(3);

  it('keeps the elements whose uniform is at least the rate, scaled by 1 / (1 - rate)', () => {
    const y = new Float32Array(n);
    const uniform = new Float32Array(n);
    activation.dropoutF32(y, x, 0.25, ...address);
    uniformF32(uniform, ...address);
    y.forEach((v, i) => {
      expect(v).toBe(uniform[i] >= 0.25 ? 4 : 0);
    });
    const kept = y.filter((v) => v !== 0).length / n;
    // Five standard deviations of a binomial share.
    expect(Math.abs(kept - 0.75)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / n));
  });

  it('keeps everything at rate 0 and nothing at rate 1', () => {
    const y = new Float32Array(n);
    activation.dropoutF32(y, x, 0, ...address);
    expect(y.every((v) => v === 3)).toBe(true);
    activation.dropoutF32(y, x, 1, ...address);
    expect(y.every((v) => v === 0)).toBe(true);
  });
});
