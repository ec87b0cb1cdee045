import { readFileSync } from 'node:fs';

/** Reads a golden file; `test/golden/<folder>/README.md` tells where it comes from. */
export function golden<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../../golden/${path}`, import.meta.url), 'utf8')) as T;
}

/** Fixed pseudo-random numbers in [0, 1): mulberry32, independent of the generator under test. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000;
  };
}

/** n float32 in [-scale, scale). */
export function randomF32(n: number, seed: number, scale = 1): Float32Array {
  const next = mulberry32(seed);
  return Float32Array.from({ length: n }, () => (2 * next() - 1) * scale);
}

/** Largest |empirical distribution - distribution| of a sample: the statistic of Kolmogorov and Smirnov. */
export function kolmogorovSmirnov(sample: ArrayLike<number>, distribution: (x: number) => number): number {
  const sorted = Float64Array.from(sample).sort();
  let largest = 0;
  sorted.forEach((x, i) => {
    const p = distribution(x);
    largest = Math.max(largest, (i + 1) / sorted.length - p, p - i / sorted.length);
  });
  return largest;
}

/** Standard normal distribution function by the series of Marsaglia 2004, "Evaluating the Normal Distribution". */
export function normalDistribution(x: number): number {
  if (Math.abs(x) > 7) return x > 0 ? 1 : 0;
  let sum = x;
  let term = x;
  for (let k = 3; Math.abs(term) > 1e-17; k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}
