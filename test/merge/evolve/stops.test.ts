import { describe, expect, it } from 'vitest';
import { type CmaState, createCma } from '../../../src/merge/evolve/cma-es.js';
import {
  type CostHistory,
  isFlat,
  medianOf,
  quantileOf,
  stopReason,
} from '../../../src/merge/evolve/stops.js';

const start = createCma({ mean: [1, 2], sigma: 0.5, seed: 1 });
const none: CostHistory = { best: [], median: [], last: [1, 2, 3, 4, 5, 6], flat: 0 };
const reasonOf = (change: Partial<CmaState>, history = none) => stopReason({ ...start, ...change }, history);
/** In two dimensions and with six candidates, tolfun looks back over 10 + 30 * 2 / 6 generations. */
const window = 20;
const constant = (n: number, value: number): number[] => new Array<number>(n).fill(value);

describe('stopReason', () => {
  it('goes on from the start', () => {
    expect(start.shape.lambda).toBe(6);
    expect(reasonOf({})).toBeUndefined();
  });

  it('ends where steps are too small, in every direction and along the path', () => {
    expect(reasonOf({ sigma: 1e-12 })).toBe('tolx');
    expect(reasonOf({ sigma: 1e-12, pC: [0, 100] })).toBeUndefined();
    expect(reasonOf({ sigma: 1e-12, C: [1, 0, 0, 1e6] })).toBeUndefined();
  });

  it('ends where the last generations differ by rounding alone, once there are enough of them', () => {
    const even = (n: number, last: number[]) => ({
      best: constant(n, 5),
      median: constant(n, 6),
      last,
      flat: 0,
    });
    expect(reasonOf({}, even(window, [5, 5 + 1e-12]))).toBe('tolfun');
    expect(reasonOf({}, even(window - 1, [5, 5 + 1e-12]))).toBeUndefined();
    // The last generation is spread, but the best ones of all have not moved.
    expect(reasonOf({}, even(window, [5, 6]))).toBe('tolfunhist');
    const moving = { ...even(window, [5, 6]), best: Array.from({ length: window }, (_, i) => 5 - i / 1e9) };
    expect(reasonOf({}, moving)).toBeUndefined();
  });

  it('ends where the step has grown a thousandfold, or the covariance is too narrow', () => {
    expect(reasonOf({ d: [1, 1001] })).toBe('tolfacupx');
    expect(reasonOf({ d: [1, 999] })).toBeUndefined();
    expect(reasonOf({ d: [1e-8, 1] })).toBe('conditioncov');
    expect(reasonOf({ d: [1e-6, 1] })).toBeUndefined();
  });

  it('ends where neither best nor median has become better for long', () => {
    // floor(100 + 100 * 2^1.5 / 6) = 147 generations, and 20 before and after.
    const worse = (n: number) => Array.from({ length: n }, (_, i) => i);
    const better = (n: number) => Array.from({ length: n }, (_, i) => -i);
    const history = (best: number[], median: number[]) => ({ ...none, best, median });
    expect(reasonOf({}, history(worse(167), worse(167)))).toBe('tolstagnation');
    expect(reasonOf({}, history(worse(166), worse(166)))).toBeUndefined();
    expect(reasonOf({}, history(better(167), worse(167)))).toBeUndefined();
    expect(reasonOf({}, history(worse(167), better(167)))).toBeUndefined();
  });

  it('ends after two flat generations, and after as many as CMA-ES should need', () => {
    expect(reasonOf({}, { ...none, flat: 2 })).toBe('flatfitness');
    expect(reasonOf({}, { ...none, flat: 1 })).toBeUndefined();
    // 100 + 150 * 25 / sqrt(6) = 1630.9
    expect(reasonOf({ generation: 1631 })).toBe('maxiter');
    expect(reasonOf({ generation: 1630 })).toBeUndefined();
  });
});

describe('of costs', () => {
  it('the lower median and quantiles are values of the list', () => {
    expect(medianOf([3, 1, 2, 4])).toBe(2);
    expect([0, 0.25, 0.75, 1].map((part) => quantileOf([5, 1, 4, 2, 3], part))).toEqual([1, 2, 4, 5]);
  });

  it('three quarters alike are flat', () => {
    expect(isFlat([1, 1, 1, 1, 1, 2])).toBe(true);
    expect(isFlat([1, 1, 1, 2, 2, 2])).toBe(false);
    expect(isFlat(constant(4, Number.POSITIVE_INFINITY))).toBe(true);
  });
});
