import { describe, expect, it } from 'vitest';
import { modelStock, sce, ties } from '../../src/combine/reducers-merge.js';

const u = [Float32Array.of(4, -1, 0, 2), Float32Array.of(2, 3, 0, -6)];
const reduce = (reducer: ReturnType<typeof ties>, updates = u, weights = [1, 1]): number[] => {
  const out = new Float32Array(updates[0]?.length ?? 4).fill(9);
  reducer.reduce(out, updates, weights, 0, out.length);
  return [...out];
};

describe('ties', () => {
  it('elects signs by weight and averages what agrees', () => {
    // Sums 6, 2, 0, -4: means of the agreeing 3, 3, 0, -6.
    expect(reduce(ties({ density: 1 }))).toEqual([3, 3, 0, -6]);
    // Weights 5 and 1: sums 22, -2, 0, 4.
    expect(reduce(ties({ density: 1 }), u, [5, 1])).toEqual([Math.fround(22 / 6), -1, 0, 2]);
  });
  it('trims each update, per tensor where there are tensors', () => {
    expect(reduce(ties({ density: 0.25 }))).toEqual([4, 0, 0, -6]);
    const halves = [0, 2].map((offset) => ({ name: `t${offset}`, offset, size: 2, shape: [2] }));
    expect(reduce(ties({ density: 0.5, tensors: halves }))).toEqual([4, 3, 0, -6]);
  });
});

describe('modelStock', () => {
  it('shortens the mean by the ratio of the angle', () => {
    const updates = [Float32Array.of(1, 0), Float32Array.of(0.6, 0.8)];
    // c = 0.6: t = 1.2 / 1.6 = 0.75 of the mean (0.8, 0.4).
    const [x, y] = reduce(modelStock(), updates);
    expect(x).toBeCloseTo(0.6, 6);
    expect(y).toBeCloseTo(0.3, 6);
  });
  it('gives back a single update', () => {
    expect(reduce(modelStock(), [u[0]], [1])).toEqual([...u[0]]);
  });
});

describe('sce', () => {
  it('weights by energy', () => {
    // Energies 21 and 49 of 70: weights 0.3 and 0.7; signs +, +, 0, -.
    const [a, b, c, d] = reduce(sce());
    expect(a).toBeCloseTo(0.3 * 4 + 0.7 * 2, 6);
    expect([b, c, d]).toEqual([3, 0, -6]);
  });
});

for (const [name, reducer] of [
  ['ties', ties()],
  ['modelStock', modelStock()],
  ['sce', sce()],
] as const)
  describe(`${name} as a reducer`, () => {
    it('gives zeros without updates', () => {
      expect(reduce(reducer, [], [])).toEqual([0, 0, 0, 0]);
    });
    it('gives the same in ranges as at once, and leaves what is outside a range', () => {
      const out = new Float32Array(4).fill(9);
      reducer.reduce(out, u, [1, 1], 1, 3);
      const whole = reduce(reducer);
      expect([...out]).toEqual([9, whole[1], whole[2], 9]);
    });
  });
