/** When a run of CMA-ES has nothing more to find: the criteria and thresholds of CMA-ES/pycma. */

import { defaultPopulation } from './cma-coefficients.js';
import type { CmaState } from './cma-es.js';

export type StopReason =
  | 'tolx'
  | 'tolfun'
  | 'tolfunhist'
  | 'tolfacupx'
  | 'conditioncov'
  | 'tolstagnation'
  | 'flatfitness'
  | 'maxiter';

/** Costs of the generations of this run, oldest first; +infinity where every candidate failed. */
export interface CostHistory {
  readonly best: readonly number[];
  readonly median: readonly number[];
  /** Costs of the last generation. */
  readonly last: readonly number[];
  /** Latest generations in a row in which three quarters of the candidates had one cost. */
  readonly flat: number;
}

/** The first criterion that holds, or undefined. */
export function stopReason(state: CmaState, history: CostHistory): StopReason | undefined {
  const { shape, sigma, sigma0, C, d, pC, generation } = state;
  const { dimension: D, lambda, diagonal } = shape;
  const variance = (i: number): number => (diagonal ? C[i] : C[i * D + i]);
  const narrow = pC.every((p, i) => sigma * Math.sqrt(variance(i)) < 1e-11 && Math.abs(sigma * p) < 1e-11);
  const longest = Math.max(...d);
  const recent = history.best.slice(-(10 + Math.ceil((30 * D) / lambda)));
  const full = recent.length >= 10 + Math.ceil((30 * D) / lambda);

  if (narrow) return 'tolx';
  if (history.flat >= 2) return 'flatfitness';
  if (full && spread([...recent, ...history.last]) < 1e-11) return 'tolfun';
  if (full && spread(recent) < 1e-12) return 'tolfunhist';
  if (sigma * longest > 1e3 * sigma0) return 'tolfacupx';
  const condition = longest / Math.min(...d);
  if (condition * condition > 1e14) return 'conditioncov';
  if (stagnates(history, Math.floor(100 + (100 * D * Math.sqrt(D)) / lambda))) return 'tolstagnation';
  if (generation >= 100 + (150 * (D + 3) * (D + 3)) / Math.sqrt(lambda)) return 'maxiter';
  return undefined;
}

/** Neither the best nor the median of the last 20 generations is below that of 20 generations `window` ago. */
function stagnates({ best, median }: CostHistory, window: number): boolean {
  if (best.length < window + 20) return false;
  const worseOrEqual = (costs: readonly number[]): boolean =>
    medianOf(costs.slice(-20)) >= medianOf(costs.slice(-window - 20, -window));
  return worseOrEqual(best) && worseOrEqual(median);
}

function spread(costs: readonly number[]): number {
  return Math.max(...costs) - Math.min(...costs);
}

/** The lower median. */
export function medianOf(values: readonly number[]): number {
  return quantileOf(values, 0.5);
}

/** The value at rank floor(part (n - 1)) from the smallest. */
export function quantileOf(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => (a === b ? 0 : a < b ? -1 : 1));
  return sorted[Math.floor(part * (sorted.length - 1))];
}

/** Whether three quarters of the candidates have the cost of the best. */
export function isFlat(costs: readonly number[]): boolean {
  const sorted = [...costs].sort((a, b) => (a === b ? 0 : a < b ? -1 : 1));
  return sorted[0] === sorted[Math.floor(0.75 * (sorted.length - 1))];
}

/** Population of a restart: doubled each time (Auger and Hansen 2005, IPOP-CMA-ES). */
export function restartPopulation(
  dimension: number,
  populationSize: number | undefined,
  restart: number,
): number {
  let lambda = populationSize ?? defaultPopulation(dimension);
  for (let k = 0; k < restart; k++) lambda *= 2;
  return lambda;
}
