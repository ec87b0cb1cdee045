import { describe, expect, it, vi } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import { createSecureNoise, createSimRng } from '../../src/privacy/noise.js';
import { centralNoiseStddev } from '../../src/update/gaussian-noise.js';
import { backends } from '../support/backends.js';

const [kernels] = backends;

interface Moments {
  mean: number;
  variance: number;
  skew: number;
  kurtosis: number;
}

function momentsOf(x: ArrayLike<number>): Moments {
  const n = x.length;
  const average = (f: (v: number) => number): number => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += f(x[i]);
    return sum / n;
  };
  const mean = average((v) => v);
  const variance = average((v) => (v - mean) * (v - mean));
  return {
    mean,
    variance,
    skew: average((v) => (v - mean) ** 3) / variance ** 1.5,
    kurtosis: average((v) => (v - mean) ** 4) / variance ** 2,
  };
}

/** Standard normal distribution function, by the series of erf near 0 and the continued fraction of erfc in the tails. */
function phi(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  let tail: number;
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let k = 1; k < 80; k++) {
      term *= (-x * x) / k;
      sum += term / (2 * k + 1);
    }
    tail = 0.5 - sum / Math.sqrt(Math.PI);
  } else {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (x + fraction);
    tail = Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction) / 2;
  }
  return z < 0 ? tail : 1 - tail;
}

/** sqrt(n) times the greatest distance between the empirical and the normal distribution. */
function kolmogorovSmirnov(x: Float32Array): number {
  const sorted = x.slice().sort();
  const n = sorted.length;
  let distance = 0;
  for (let i = 0; i < n; i++) {
    const p = phi(sorted[i]);
    distance = Math.max(distance, p - i / n, (i + 1) / n - p);
  }
  return Math.sqrt(n) * distance;
}

/** @param limit - in standard errors. */
function expectNormal(x: Float32Array, limit: number, ks: number): void {
  const n = x.length;
  const { mean, variance, skew, kurtosis } = momentsOf(x);
  expect(Math.abs(mean)).toBeLessThan(limit / Math.sqrt(n));
  expect(Math.abs(variance - 1)).toBeLessThan(limit * Math.sqrt(2 / n));
  expect(Math.abs(skew)).toBeLessThan(limit * Math.sqrt(6 / n));
  expect(Math.abs(kurtosis - 3)).toBeLessThan(limit * Math.sqrt(24 / n));
  expect(kolmogorovSmirnov(x)).toBeLessThan(ks);
  for (let lag = 1; lag <= 8; lag++) {
    let product = 0;
    for (let i = lag; i < n; i++) product += x[i] * x[i - lag];
    expect(Math.abs(product / n)).toBeLessThan(limit / Math.sqrt(n));
  }
  const beyond3 = x.filter((v) => Math.abs(v) > 3).length;
  const p = 2.6997960633e-3;
  expect(Math.abs(beyond3 - n * p)).toBeLessThan(limit * Math.sqrt(n * p * (1 - p)));
}

it('the normal distribution used here is right', () => {
  // Abramowitz and Stegun, table 26.1.
  expect(phi(1)).toBeCloseTo(0.841344746, 9);
  expect(phi(-2)).toBeCloseTo(0.022750132, 9);
  expect(2 * phi(-4)).toBeCloseTo(6.3342483667e-5, 12);
});

for (const each of backends)
  describe(`seeded noise on ${each.backend}`, () => {
    const rng = createSimRng(each, 42);
    const draw = (address: Parameters<typeof rng.addNormal>[2], n = 64): Float32Array => {
      const x = new Float32Array(n);
      rng.addNormal(x, 1, address);
      return x;
    };

    it('says that it guarantees nothing', () => {
      expect(rng.guarantee).toBe('none');
    });

    it('is standard normal: five standard errors each, fixed seed', () => {
      // A fresh seed would pass all limits with probability 0.998 (Kolmogorov-Smirnov at p = 0.001 dominates).
      expectNormal(draw({ purpose: 'test', round: 1 }, 200_000), 5, 1.95);
    });

    it('depends on its address alone, not on what was drawn before', () => {
      const forward = [1, 2, 3].map((entity) => [...draw({ purpose: 'noise', round: 5, entity })]);
      const backward = [3, 2, 1].map((entity) => [...draw({ purpose: 'noise', round: 5, entity })]);
      expect(backward.toReversed()).toEqual(forward);
      expect(new Set(forward.map(String)).size).toBe(3);
      expect([...draw({ purpose: 'noise', round: 6, entity: 1 })]).not.toEqual(forward[0]);
      expect([...draw({ purpose: 'noise', round: 5, entity: (1n << 64n) - 1n })]).not.toEqual(forward[0]);
    });

    it('of a longer vector begins with that of a shorter one', () => {
      expect([...draw({ purpose: 'noise' }, 1001).subarray(0, 37)]).toEqual([
        ...draw({ purpose: 'noise' }, 37),
      ]);
    });

    it('leaves a vector alone at deviation 0, to the bit', () => {
      const x = Float32Array.of(-0, 1e-45, 5);
      rng.addNormal(x, 0, { purpose: 'noise' });
      expect(Object.is(x[0], -0)).toBe(true);
      expect([...x].slice(1)).toEqual([Math.fround(1e-45), 5]);
    });

    it('of a noise cohort has the deviation of the formula within 1 % over a million draws', () => {
      // Relative standard error of the deviation: 1 / sqrt(2e6) = 0.07 %; 1 % is 14 of them. Fixed seed.
      const stddev = centralNoiseStddev(
        { noiseMultiplier: 0.8, maxNorm: 0.4, noiseCohortSize: 1000, source: 'simulation' },
        50,
      );
      expect(stddev).toBeCloseTo(3.2e-4, 12);
      const x = new Float32Array(1_000_000);
      rng.addNormal(x, stddev, { purpose: 'noise', round: 9 });
      expect(Math.abs(Math.sqrt(momentsOf(x).variance) / 3.2e-4 - 1)).toBeLessThan(0.01);
    });
  });

describe('secure noise', () => {
  const noise = createSecureNoise();

  it('says that it is cryptographic', () => {
    expect(noise.guarantee).toBe('cryptographic');
  });

  it('is standard normal: thresholds at p = 1e-6 each, unseeded', () => {
    // 13 two-sided tests at 4.9 standard errors (p = 9.6e-7) and Kolmogorov-Smirnov at sqrt(n) D = 2.7 (p = 2 exp(-2 * 2.7^2)
    // = 9.3e-7): a false alarm in 74,000 runs.
    const x = new Float32Array(400_000);
    noise.addNormal(x, 1);
    expectNormal(x, 4.9, 2.7);
  });

  it('draws anew at every call and in every part of a long vector', () => {
    const n = 3 * 16_384;
    const x = new Float32Array(n);
    const y = new Float32Array(n);
    noise.addNormal(x, 1);
    noise.addNormal(y, 1);
    // Values repeat by chance in float32; runs of eight do not.
    const runs = new Set<string>();
    for (const vector of [x, y]) for (let i = 0; i < n; i += 8) runs.add(vector.subarray(i, i + 8).join());
    expect(runs.size).toBe(n / 4);
  });

  it.each([0, 1, 2, 3, 8191, 8192, 8193])('noises every one of %i values, once', (n) => {
    const x = new Float32Array(n + 1).fill(1e9);
    noise.addNormal(x.subarray(0, n), 1e12);
    expect(x.subarray(0, n).every((v) => v !== 1e9)).toBe(true);
    expect(x[n]).toBe(1e9);
  });

  it('takes four words for every two values, each word once, and leaves none in memory', () => {
    const drawn: Uint32Array[] = [];
    const draw = globalThis.crypto.getRandomValues.bind(globalThis.crypto);
    const spy = vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation((words) => {
      drawn.push(words as unknown as Uint32Array);
      return draw(words);
    });
    noise.addNormal(new Float32Array(20_001), 1);
    spy.mockRestore();
    // 10,001 pairs of four words, 16,384 words to a draw: three draws.
    expect(drawn).toHaveLength(3);
    expect(drawn.every((words) => words.every((word) => word === 0))).toBe(true);
  });

  it('scales with the deviation, and adds', () => {
    const x = new Float32Array(100_000).fill(1000);
    noise.addNormal(x, 3);
    const { mean, variance } = momentsOf(x);
    // 4.9 standard errors: p = 9.6e-7.
    expect(Math.abs(mean - 1000)).toBeLessThan((4.9 * 3) / Math.sqrt(1e5));
    expect(Math.abs(variance / 9 - 1)).toBeLessThan(4.9 * Math.sqrt(2 / 1e5));
  });

  it('leaves a vector alone at deviation 0, to the bit', () => {
    const x = Float32Array.of(-0, 7);
    noise.addNormal(x, 0);
    expect(Object.is(x[0], -0)).toBe(true);
    expect(x[1]).toBe(7);
  });
});

it.each([-1, Number.NaN, Infinity])(
  'a deviation of %s is refused by both sources, before anything is written',
  (stddev) => {
    const x = Float32Array.of(1);
    expect(() => createSecureNoise().addNormal(x, stddev)).toThrow(InvalidArgumentError);
    expect(() => createSimRng(kernels, 1).addNormal(x, stddev, { purpose: 'noise' })).toThrow(
      InvalidArgumentError,
    );
    expect([...x]).toEqual([1]);
  },
);
