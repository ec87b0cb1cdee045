/** What a search needs to go on as if it had never stopped, as plain JSON. Failed candidates have the score null. */
import type { CmaState } from './cma-es.js';
import { CheckpointError } from './errors.js';
import type { StopReason } from './stops.js';

export interface GenerationRecord {
  /** From 1, over all restarts. */
  readonly generation: number;
  readonly restart: number;
  /** Finished up to here, over all restarts; those answered from the cache count. */
  readonly evaluations: number;
  /** Of the scores of this generation, failed candidates counting as the lowest; null where that is one of them. */
  readonly best: number | null;
  readonly median: number | null;
  readonly lowerQuartile: number | null;
  readonly upperQuartile: number | null;
  /** Of the candidates that have a score. */
  readonly mean: number | null;
  /** Largest score of the search so far. */
  readonly bestSoFar: number | null;
  /** What the best candidate so far had in each task, where the evaluator tells. */
  readonly perTask?: Readonly<Record<string, number>>;
  readonly failed: number;
  /** Step size after it. */
  readonly sigma: number;
}

export interface BestCandidate {
  readonly score: number;
  readonly genotype: readonly number[];
  readonly generation: number;
  readonly index: number;
  readonly perTask?: Readonly<Record<string, number>>;
}

export interface SearchCheckpoint {
  readonly version: 2;
  /** SHA-256 of everything that the course of the search depends on. */
  readonly definition: string;
  readonly cma: CmaState;
  readonly history: readonly GenerationRecord[];
  readonly best: BestCandidate | null;
  /** Latest generations of one cost, in this run of CMA-ES. */
  readonly flat: number;
  readonly lastScores: readonly (number | null)[];
  /** Finished candidates of the generation under way, by index. */
  readonly pending: Readonly<Record<string, number | null>>;
  /** Scores by the SHA-256 of the recipe. */
  readonly cache: Readonly<Record<string, number | null>>;
  /** Why each run of CMA-ES before a restart ended. */
  readonly stops: readonly StopReason[];
  /** Set when the search is over. */
  readonly finished?: string;
}

/** @throws {CheckpointError} for text that is not a checkpoint. */
export function parseCheckpoint(text: string, from: string): SearchCheckpoint {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`${from} is not JSON`, 'remove it to begin anew', { cause: error });
  }
  if (!isCheckpoint(value))
    throw new CheckpointError(
      `${from} is not a search checkpoint of this version`,
      'remove it to begin anew, or use the version that wrote it',
    );
  return value;
}

function isCheckpoint(value: unknown): value is SearchCheckpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { version, definition, cma, history, pending, cache } = value as Partial<SearchCheckpoint>;
  return (
    version === 2 &&
    typeof definition === 'string' &&
    Array.isArray(history) &&
    [cma, pending, cache].every((part) => typeof part === 'object' && part !== null) &&
    Array.isArray(cma?.mean) &&
    Array.isArray(cma?.C)
  );
}
