import Benchmark from 'benchmark';

/** Quantile by linear interpolation between order statistics (Hyndman and Fan 1996, type 7). `q` in [0, 1]. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Half the distance of the quartiles over the median: the scatter of a timing that a few outliers do not move. */
export function relativeSpread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values);
}

/** Median of the ratios of two series that were measured in turn, pair by pair, with the smallest and the largest. */
export interface PairedRatio {
  median: number;
  min: number;
  max: number;
}

/** @param numerator - the same length as `denominator`; element i of both was measured in the same turn. */
export function pairedRatio(numerator: readonly number[], denominator: readonly number[]): PairedRatio {
  const ratios = numerator.map((value, i) => value / denominator[i]);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

export type Verdict = 'faster' | 'slower' | 'same';

/** More samples add little to a rank test whose cost is the product of both numbers. */
const RANKED_SAMPLES = 200;

/**
 * Whether the times `a` are faster than the times `b`, by the Mann-Whitney U test at 5 % as `benchmark` makes it.
 * `same`: the samples do not tell them apart.
 */
export function compareTimes(a: readonly number[], b: readonly number[]): Verdict {
  // The library's own result for `a` against `b`: 1 faster, -1 slower, 0 indeterminate.
  const verdict = sampled(a).compare(sampled(b));
  if (verdict > 0) return 'faster';
  return verdict < 0 ? 'slower' : 'same';
}

function sampled(times: readonly number[]): Benchmark {
  const benchmark = new Benchmark('samples', () => undefined);
  benchmark.stats.sample = evenly(times, RANKED_SAMPLES);
  return benchmark;
}

function evenly(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => values[Math.floor((i * values.length) / count)]);
}
