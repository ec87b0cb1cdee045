/**
 * The search for a recipe: CMA-ES over a genome, candidates evaluated side by side, failures ranked last, restarts with twice the
 * population, and a checkpoint after every candidate from which the search goes on with the same bits.
 *
 * Akiba et al. 2024, "Evolutionary Optimization of Model Merging Recipes", arXiv 2403.13187.
 */
import { stringify } from 'yaml';
import { InvalidArgumentError } from '../../errors.js';
import { randomKey } from '../../kernels/address.js';
import { uniformF32 } from '../../kernels/reference/random.js';
import { sha256Hex } from '../../platform/hash.js';
import type { BestCandidate, GenerationRecord, SearchCheckpoint } from './checkpoint.js';
import type { CmaVariant } from './cma-coefficients.js';
import { askCma, type CmaState, createCma, tellCma } from './cma-es.js';
import { CheckpointError, EvaluationError, SearchAbortedError, SearchError } from './errors.js';
import type { Genome, RecipeValue } from './genome.js';
import { isFlat, medianOf, quantileOf, restartPopulation, stopReason } from './stops.js';

export interface Search {
  readonly genome: Genome;
  readonly seed: number | string | bigint;
  /** Initial step size, above 0. Default: 1/6. */
  readonly sigma?: number;
  /** Candidates of a generation. Default: 4 + floor(3 ln D). */
  readonly populationSize?: number;
  /** Default: 'tutorial'. */
  readonly variant?: CmaVariant;
  /** No generation begins after this many evaluations. Default: no limit. */
  readonly maxEvaluations?: number;
  /** Default: no limit. */
  readonly maxGenerations?: number;
  /** Ends the search once a candidate scores at least this. Default: none. */
  readonly target?: number;
  /** No generation begins after so many seconds in this process. The only limit by which two searches may end differently. Default: none. */
  readonly maxSeconds?: number;
  /** Fresh starts, each with twice the population, when CMA-ES has converged. Default: 0. */
  readonly restarts?: number;
}

export interface Candidate {
  /** From 1, over all restarts. */
  readonly generation: number;
  /** Within its generation. */
  readonly index: number;
  readonly genotype: readonly number[];
  readonly recipe: RecipeValue;
  /** The recipe as YAML, ending in a line break. */
  readonly recipeText: string;
}

export interface Evaluation {
  /** Larger is better. Not finite: the candidate ranks last. */
  readonly score: number;
  readonly perTask?: Readonly<Record<string, number>>;
}

export interface EvolveOptions {
  /** Gives a recipe its score. Called for `parallel` candidates at once; a failure is tried once more, then ranks last. */
  evaluate(candidate: Candidate, signal: AbortSignal): Promise<number | Evaluation> | number | Evaluation;
  /** Candidates evaluated at once. The result does not depend on it. Default: 1. */
  readonly parallel?: number;
  readonly signal?: AbortSignal;
  onGeneration?(record: GenerationRecord, best: BestCandidate | null): void;
  /** After every candidate of a generation: how many are done, of how many; and of the search, how many evaluations. */
  onCandidate?(done: number, of: number, score: number | null, evaluations: number): void;
  /** A candidate failed for good. */
  onFailure?(candidate: Candidate, error: unknown): void;
  /** Keeps the state: after every candidate, and after every generation (`whole`). Awaited. */
  save?(checkpoint: SearchCheckpoint, whole: boolean): Promise<void> | void;
  /** Where to go on. Must be of the same search. */
  readonly resume?: SearchCheckpoint;
}

export interface EvolveResult {
  readonly best: BestCandidate;
  readonly recipe: RecipeValue;
  readonly recipeText: string;
  readonly history: readonly GenerationRecord[];
  readonly evaluations: number;
  /** Why it ended: 'max-evaluations', 'max-generations', 'max-seconds', 'target', or CMA-ES's own reason. */
  readonly reason: string;
  readonly checkpoint: SearchCheckpoint;
}

/**
 * Searches for the recipe with the largest score.
 *
 * @throws {SearchAbortedError} when `signal` aborts; the last checkpoint saved continues it.
 * @throws {EvaluationError} if no candidate of the first generation can be evaluated.
 * @throws {CheckpointError} if `resume` is of another search.
 */
export async function evolve(search: Search, options: EvolveOptions): Promise<EvolveResult> {
  const { genome, maxEvaluations = Number.POSITIVE_INFINITY, restarts = 0 } = search;
  const { maxGenerations = Number.POSITIVE_INFINITY, target = Number.POSITIVE_INFINITY } = search;
  const { maxSeconds = Number.POSITIVE_INFINITY } = search;
  const began = performance.now();
  if (genome.size === 0) throw new SearchError('the genome is empty', 'search for at least one parameter');
  const parallel = options.parallel ?? 1;
  if (!Number.isInteger(parallel) || parallel < 1)
    throw new InvalidArgumentError('evolve', 'parallel', 'a whole number of at least 1', parallel);
  const definition = await definitionHash(search);
  if (options.resume !== undefined && options.resume.definition !== definition)
    throw new CheckpointError(
      'the checkpoint is of another search: its genome, seed or settings differ',
      'give the search as it was, or begin anew',
    );
  // Whether a resumed search is over is asked anew: its limits may have been raised.
  let at: SearchCheckpoint = (options.resume && { ...options.resume, finished: undefined }) ?? {
    version: 2,
    definition,
    cma: cmaOf(search, 0),
    history: [],
    best: null,
    flat: 0,
    lastScores: [],
    pending: {},
    cache: {},
    stops: [],
  };

  while (at.finished === undefined) {
    const limit =
      evaluationsOf(at) >= maxEvaluations
        ? 'max-evaluations'
        : at.history.length >= maxGenerations
          ? 'max-generations'
          : (at.best?.score ?? Number.NEGATIVE_INFINITY) >= target
            ? 'target'
            : performance.now() - began >= 1000 * maxSeconds
              ? 'max-seconds'
              : undefined;
    const stop = limit === undefined ? stopReason(at.cma, costHistory(at)) : undefined;
    if (limit !== undefined || (stop !== undefined && at.cma.restart >= restarts)) {
      at = { ...at, finished: limit ?? stop };
      await options.save?.(at, true);
    } else if (stop !== undefined) {
      const cma = cmaOf(search, at.cma.restart + 1);
      at = { ...at, cma, flat: 0, lastScores: [], stops: [...at.stops, stop] };
    } else {
      at = await generation(at, search, { ...options, parallel });
    }
  }
  return resultOf(at, genome);
}

async function generation(
  start: SearchCheckpoint,
  { genome }: Search,
  options: EvolveOptions & { parallel: number },
): Promise<SearchCheckpoint> {
  const { signal = new AbortController().signal, parallel } = options;
  const number = start.history.length + 1;
  const points = askCma(start.cma);
  const pending: Record<string, number | null> = { ...start.pending };
  const cache: Record<string, number | null> = { ...start.cache };
  const failures: unknown[] = [];
  let best = start.best;
  let done = Object.keys(pending).length;
  const snapshot = (): SearchCheckpoint => ({ ...start, best, pending: { ...pending }, cache: { ...cache } });
  const running = new Map<string, Promise<Scored>>();

  const score = async (index: number): Promise<void> => {
    const candidate = candidateOf(genome, points[index], number, index);
    let result: Scored = { score: null };
    if (candidate !== undefined) {
      const key = await sha256Hex(new TextEncoder().encode(candidate.recipeText));
      if (Object.hasOwn(cache, key)) result = { score: cache[key] };
      else {
        const before = running.get(key);
        const now = before ?? evaluateTwice(candidate, options, signal);
        running.set(key, now);
        result = await now;
        if (before === undefined && result.score === null) {
          failures.push(result.error);
          options.onFailure?.(candidate, result.error);
        }
        cache[key] = result.score;
      }
    }
    pending[index] = result.score;
    // Among equal scores the earliest candidate is kept, whatever the order in which they finish.
    if (result.score !== null && candidate !== undefined && isBetter(result.score, number, index, best))
      best = {
        score: result.score,
        genotype: candidate.genotype,
        generation: number,
        index,
        ...(result.perTask === undefined ? {} : { perTask: result.perTask }),
      };
    done++;
    options.onCandidate?.(done, points.length, result.score, evaluationsOf(start) + done);
    await options.save?.(snapshot(), false);
  };

  const open = points.map((_, index) => index).filter((index) => !Object.hasOwn(pending, index));
  const worker = async (): Promise<void> => {
    for (let index = open.shift(); index !== undefined; index = open.shift()) {
      if (signal.aborted) return;
      await score(index);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(parallel, open.length) }, worker));
  if (signal.aborted) throw new SearchAbortedError(evaluationsOf(start) + done, signal.reason);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;

  const scores = points.map((_, index) => pending[index]);
  if (number === 1 && scores.every((value) => value === null))
    throw new EvaluationError(points.length, failures[0] ?? 'no candidate stands for a recipe');
  const costs = scores.map(costOf);
  const cma = tellCma(start.cma, points, costs);
  const known = scores.filter((value) => value !== null);
  const record: GenerationRecord = {
    generation: number,
    restart: cma.restart,
    evaluations: evaluationsOf(start) + points.length,
    best: scoreOf(Math.min(...costs)),
    median: scoreOf(medianOf(costs)),
    lowerQuartile: scoreOf(quantileOf(costs, 0.75)),
    upperQuartile: scoreOf(quantileOf(costs, 0.25)),
    mean: known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length,
    bestSoFar: best?.score ?? null,
    ...(best?.perTask === undefined ? {} : { perTask: best.perTask }),
    failed: scores.filter((value) => value === null).length,
    sigma: cma.sigma,
  };
  const next: SearchCheckpoint = {
    ...snapshot(),
    // In an order of its own, not that in which candidates finished.
    cache: Object.fromEntries(Object.entries(cache).sort(([a], [b]) => (a < b ? -1 : 1))),
    cma,
    history: [...start.history, record],
    flat: isFlat(costs) ? start.flat + 1 : 0,
    lastScores: scores,
    pending: {},
  };
  await options.save?.(next, true);
  options.onGeneration?.(record, best);
  return next;
}

interface Scored {
  readonly score: number | null;
  readonly perTask?: Readonly<Record<string, number>>;
  readonly error?: unknown;
}

async function evaluateTwice(
  candidate: Candidate,
  { evaluate }: EvolveOptions,
  signal: AbortSignal,
): Promise<Scored> {
  let failure: unknown;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const given = await evaluate(candidate, signal);
      const evaluation = typeof given === 'number' ? { score: given } : given;
      if (Number.isFinite(evaluation.score)) return evaluation;
      failure = new InvalidArgumentError('evaluate', 'the score', 'a finite number', evaluation.score);
    } catch (error) {
      failure = error;
    }
    // An evaluation that was cut off says nothing about its candidate.
    if (signal.aborted) throw signal.reason;
  }
  return { score: null, error: failure };
}

function isBetter(score: number, generation: number, index: number, best: BestCandidate | null): boolean {
  if (best === null || score > best.score) return true;
  return score === best.score && generation === best.generation && index < best.index;
}

function candidateOf(
  genome: Genome,
  point: Float64Array,
  generation: number,
  index: number,
): Candidate | undefined {
  const recipe = genome.decode(point);
  if (recipe === undefined) return undefined;
  return { generation, index, genotype: [...point], recipe, recipeText: recipeText(recipe) };
}

/** A recipe as YAML: numbers in the fewest digits that give the same float64. */
export function recipeText(recipe: RecipeValue): string {
  return stringify(recipe, { lineWidth: 0, aliasDuplicateObjects: false });
}

function resultOf(at: SearchCheckpoint, genome: Genome): EvolveResult {
  const { best, history, finished = '' } = at;
  const recipe = best === null ? undefined : genome.decode(best.genotype);
  if (best === null || recipe === undefined)
    throw new SearchError(
      'the search ended before any candidate had a score',
      'allow at least one generation: raise max_evaluations or max_generations',
    );
  return {
    best,
    recipe,
    recipeText: recipeText(recipe),
    history,
    evaluations: evaluationsOf(at),
    reason: finished,
    checkpoint: at,
  };
}

function cmaOf(search: Search, restart: number): CmaState {
  const { genome, seed, sigma = 1 / 6, populationSize, variant } = search;
  return createCma({
    mean: genome.randomInit ? randomStart(genome.size, seed, restart) : genome.start,
    sigma,
    seed,
    restart,
    variant,
    populationSize: restartPopulation(genome.size, populationSize, restart),
  });
}

/** Uniform in [0, 1), addressed by the restart; sites apart from those of the candidates' normals by the purpose. */
function randomStart(size: number, seed: number | string | bigint, restart: number): number[] {
  const { key0, key1 } = randomKey(seed, { purpose: 'init' });
  const values = new Float32Array(size);
  uniformF32(values, key0, key1, 0, 0, 0, restart);
  return [...values];
}

async function definitionHash(search: Search): Promise<string> {
  const { genome, seed, sigma, populationSize, variant, restarts = 0 } = search;
  const value = { ...genome.definition, seed: String(seed), sigma, populationSize, variant, restarts };
  return sha256Hex(new TextEncoder().encode(JSON.stringify(value)));
}

function evaluationsOf({ history }: SearchCheckpoint): number {
  return history.at(-1)?.evaluations ?? 0;
}

function costOf(score: number | null): number {
  return score === null ? Number.POSITIVE_INFINITY : -score;
}

function scoreOf(cost: number): number | null {
  return cost === Number.POSITIVE_INFINITY ? null : -cost;
}

function costHistory({ history, cma, lastScores, flat }: SearchCheckpoint) {
  const ours = history.filter(({ restart }) => restart === cma.restart);
  return {
    best: ours.map(({ best }) => costOf(best)),
    median: ours.map(({ median }) => costOf(median)),
    last: lastScores.map(costOf),
    flat,
  };
}
