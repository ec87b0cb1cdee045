import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import { type ClientConfigLike, cosPi, learningRate } from '../../src/train/schedule.js';

describe('cosPi', () => {
  it('is cos(pi x) within 4e-16 on [0, 1]', () => {
    for (let i = 0; i <= 1000; i++) {
      const x = i / 1000;
      // cos(pi x) from the platform, exact to about 1e-16 where pi x is: the angle is kept small by symmetry.
      const expected =
        x <= 0.25
          ? Math.cos(Math.PI * x)
          : x <= 0.75
            ? Math.sin(Math.PI * (0.5 - x))
            : -Math.cos(Math.PI * (1 - x));
      expect(Math.abs(cosPi(x) - expected), `at ${x}`).toBeLessThan(4e-16);
    }
  });

  it('is exact at the ends and the middle, and odd about the middle', () => {
    expect([cosPi(0), cosPi(0.5), cosPi(1)]).toEqual([1, 0, -1]);
    for (let i = 0; i < 64; i++) expect(cosPi(1 - i / 128) + cosPi(i / 128)).toBe(0);
    expect(Math.abs(cosPi(1 / 3) - 0.5)).toBeLessThan(2e-16);
    expect(Math.abs(cosPi(0.25) - Math.SQRT1_2)).toBeLessThan(2e-16);
  });
});

describe('learning rates', () => {
  const rates = (config: ClientConfigLike, count: number, rounds = count): number[] =>
    Array.from({ length: count }, (_, round) => learningRate(config, round, rounds));

  it('constant stays', () => {
    expect(rates({ lr: 0.1, lrSchedule: 'constant' }, 3)).toEqual([0.1, 0.1, 0.1]);
  });

  it('cosine falls from the rate to 0, through half of it in the middle', () => {
    const config = { lr: 0.8, lrSchedule: 'cosine' } as const;
    expect(learningRate(config, 0, 100)).toBe(0.8);
    expect(learningRate(config, 50, 100)).toBe(0.4);
    expect(learningRate(config, 100, 100)).toBe(0);
    expect(learningRate(config, 101, 100), 'stays at 0 after the planned rounds').toBe(0);
    // (1 + cos(pi / 4)) / 2
    expect(learningRate(config, 25, 100)).toBeCloseTo(0.8 * 0.8535533905932737, 15);
    const all = rates(config, 100);
    expect(all.every((rate, i) => i === 0 || rate < all[i - 1])).toBe(true);
  });

  it('step multiplies by gamma every so many rounds', () => {
    const config = { lr: 1, lrSchedule: 'step', lrStepEvery: 2, lrGamma: 0.5 } as const;
    expect(rates(config, 7)).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]);
    const standard = { lr: 1, lrSchedule: 'step' } as const;
    expect([29, 30, 59, 60].map((round) => learningRate(standard, round, 90))).toEqual([
      1,
      0.1,
      0.1,
      0.1 * 0.1,
    ]);
  });

  it('exp multiplies by gamma every round', () => {
    expect(rates({ lr: 4, lrSchedule: 'exp', lrGamma: 0.5 }, 5)).toEqual([4, 2, 1, 0.5, 0.25]);
    // 0.99^100 = 0.36603234127322950493 (100 factors, decimal arithmetic).
    expect(learningRate({ lr: 1, lrSchedule: 'exp' }, 100, 100)).toBeCloseTo(0.3660323412732295, 13);
  });

  it.each([
    [{ round: -1 }, 'round'],
    [{ round: 0.5 }, 'round'],
    [{ round: Number.NaN }, 'round'],
    [{ rounds: 0 }, 'rounds'],
    [{ lrStepEvery: 0 }, 'lrStepEvery'],
  ])('refuse %o', (wrong, argument) => {
    const { round, rounds, ...config } = { round: 3, rounds: 10, ...wrong } as {
      round: number;
      rounds: number;
    };
    const call = () => learningRate({ lr: 1, lrSchedule: 'step', ...config }, round, rounds);
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(`learningRate: ${argument} must be`);
  });
});
