import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import {
  CohortTooLargeError,
  checkSampling,
  cohortSizeOf,
  expectedCohortSize,
  selectCohort,
} from '../../src/federation/sampling.js';

const uniform = (cohortSize: number) => ({ type: 'uniform', cohortSize }) as const;
const poisson = (rate: number) => ({ type: 'poisson', rate }) as const;

describe('selectCohort, uniform', () => {
  it('gives that many different clients, ascending and in range', () => {
    const sizes = fc
      .integer({ min: 1, max: 5000 })
      .chain((population) =>
        fc.tuple(fc.constant(population), fc.integer({ min: 1, max: Math.min(population, 60) })),
      );
    fc.assert(
      fc.property(sizes, fc.nat(1000), fc.nat(1000), ([population, m], seed, round) => {
        const cohort = Array.from(selectCohort(uniform(m), population, seed, round));
        expect(new Set(cohort).size).toBe(m);
        expect(cohort).toEqual([...cohort].sort((a, b) => a - b));
        expect(cohort.every((k) => k >= 0 && k < population)).toBe(true);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('gives everybody when the cohort is the population', () => {
    expect(Array.from(selectCohort(uniform(7), 7, 1, 0))).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('depends on seed and round alone', () => {
    const cohort = selectCohort(uniform(10), 1000, 1, 5);
    expect(selectCohort(uniform(10), 1000, 1, 5)).toEqual(cohort);
    expect(selectCohort(uniform(10), 1000, 1, 6)).not.toEqual(cohort);
    expect(selectCohort(uniform(10), 1000, 2, 5)).not.toEqual(cohort);
  });

  it('draws from a population of billions without a list of it', () => {
    const cohort = selectCohort(uniform(100), 4_000_000_000, 1, 0);
    expect(cohort).toHaveLength(100);
    expect(cohort[99]).toBeGreaterThan(3_000_000_000);
  });

  it('takes every set of clients equally often', () => {
    // 3 of 6: 20 sets, 4000 rounds of seed 17, 200 expected each; chi-square with 19 degrees of freedom exceeds 65
    // with probability 6e-7.
    const seen = new Map<string, number>();
    for (let round = 0; round < 4000; round++) {
      const key = selectCohort(uniform(3), 6, 17, round).join(' ');
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(20);
    const chiSquare = [...seen.values()].reduce((sum, count) => sum + (count - 200) ** 2 / 200, 0);
    expect(chiSquare).toBeLessThan(65);
  });

  it('refuses a cohort larger than the population, with both numbers', () => {
    expect(() => selectCohort(uniform(11), 10, 0, 0)).toThrow(CohortTooLargeError);
    expect(() => checkSampling(uniform(11), 10)).toThrow(/cohort of 11 .* population of 10[\s\S]*at most 10/);
  });
});

describe('selectCohort, poisson', () => {
  it('takes each client by itself with its rate', () => {
    // 2000 rounds x 50 clients at 0.3, seed 5. Size: mean 15, variance 10.5; counts per client: mean 600, variance 420;
    // pairs: covariance 0. Five standard errors, about 100 comparisons: false alarm 6e-5.
    const rounds = 2000;
    const counts = new Float64Array(50);
    let neighbours = 0;
    let total = 0;
    let squares = 0;
    for (let round = 0; round < rounds; round++) {
      const cohort = selectCohort(poisson(0.3), 50, 5, round);
      const chosen = new Set(cohort);
      for (const k of cohort) {
        counts[k]++;
        if (chosen.has(k + 1)) neighbours++;
      }
      total += cohort.length;
      squares += (cohort.length - 15) ** 2;
    }
    for (const count of counts) expect(Math.abs(count - 600)).toBeLessThan(5 * Math.sqrt(420));
    expect(Math.abs(total / rounds - 15)).toBeLessThan(5 * Math.sqrt(10.5 / rounds));
    // The variance of (size - 15)^2 is near 2 * 10.5^2.
    expect(Math.abs(squares / rounds - 10.5)).toBeLessThan(5 * Math.sqrt((2 * 10.5 ** 2) / rounds));
    // 49 neighbouring pairs, each with probability 0.09; neighbouring pairs share a client, which adds to the variance.
    const pairVariance = rounds * (49 * 0.09 * 0.91 + 2 * 48 * (0.027 - 0.0081));
    expect(Math.abs(neighbours - rounds * 49 * 0.09)).toBeLessThan(5 * Math.sqrt(pairVariance));
  });

  it('may take nobody, and takes everybody at rate 1', () => {
    expect(selectCohort(poisson(1e-12), 100, 0, 0)).toHaveLength(0);
    expect(Array.from(selectCohort(poisson(1), 5, 0, 0))).toEqual([0, 1, 2, 3, 4]);
  });

  it('does not move a client when the population grows', () => {
    const few = Array.from(selectCohort(poisson(0.2), 101, 9, 4));
    const many = Array.from(selectCohort(poisson(0.2), 500, 9, 4));
    expect(many.filter((k) => k < 101)).toEqual(few);
  });
});

describe('limits', () => {
  it('refuses numbers out of range', () => {
    for (const [sampling, population, round] of [
      [uniform(0), 10, 0],
      [uniform(1.5), 10, 0],
      [uniform(1), 0, 0],
      [uniform(1), 2 ** 32, 0],
      [uniform(1), 10, -1],
      [poisson(0), 10, 0],
      [poisson(1.1), 10, 0],
      [poisson(Number.NaN), 10, 0],
    ] as const)
      expect(() => selectCohort(sampling, population, 0, round)).toThrow(InvalidArgumentError);
  });

  it('knows the expected size', () => {
    expect(expectedCohortSize(uniform(10), 1000)).toBe(10);
    expect(expectedCohortSize(poisson(0.01), 1000)).toBe(10);
  });

  it('rounds a fraction up, but not for the last bit of a product', () => {
    expect(cohortSizeOf(0.1, 100)).toBe(10);
    expect(cohortSizeOf(0.1, 30)).toBe(3);
    expect(cohortSizeOf(0.07, 100)).toBe(7);
    expect(cohortSizeOf(0.101, 100)).toBe(11);
    expect(cohortSizeOf(0, 100)).toBe(1);
    expect(cohortSizeOf(1, 7)).toBe(7);
    expect(() => cohortSizeOf(1.5, 10)).toThrow(InvalidArgumentError);
  });
});
