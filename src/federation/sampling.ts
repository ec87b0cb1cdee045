/**
 * Which clients take part in a round. A pure function of (scheme, population, seed, round): no stream is kept, so a
 * resumed run and any worker agree on the cohort.
 */
import { HeddleError, InvalidArgumentError } from '../errors.js';
import { randomKey } from '../kernels/address.js';
import { uniformBelow } from '../kernels/reference/permutation.js';
import { philox4x32 } from '../kernels/reference/philox.js';

/** How a cohort is drawn. Privacy accounting depends on which one ran. */
export type CohortSampling =
  | {
      /** Exactly `cohortSize` different clients, every set equally likely. */
      readonly type: 'uniform';
      readonly cohortSize: number;
    }
  | {
      /** Every client by itself with probability `rate` (0 < rate <= 1); a cohort may be empty. */
      readonly type: 'poisson';
      readonly rate: number;
    };

/** More clients were asked for than there are. */
export class CohortTooLargeError extends HeddleError {
  constructor(
    readonly cohortSize: number,
    readonly population: number,
  ) {
    super(
      'ERR_COHORT_TOO_LARGE',
      `a cohort of ${cohortSize} cannot be drawn from a population of ${population} clients`,
      `set the cohort size to at most ${population}, or make more partitions`,
    );
  }
}

/**
 * Draws the cohort of a round.
 *
 * `uniform` costs O(cohort) time and memory whatever the population; `poisson` costs O(population) time, because every
 * client has its own draw.
 *
 * @param population - number of clients, 1 to 2^32 - 1; clients are 0 .. population - 1.
 * @param seed - run seed.
 * @param round - from 0.
 * @returns client ids, ascending.
 * @throws {CohortTooLargeError} if a uniform cohort is larger than the population.
 * @throws {InvalidArgumentError} for a cohort size below 1, a rate outside (0, 1] or a bad population or round.
 */
export function selectCohort(
  sampling: CohortSampling,
  population: number,
  seed: number | string | bigint,
  round: number,
): Uint32Array {
  checkSampling(sampling, population);
  if (!isU32(round)) throw new InvalidArgumentError('selectCohort', 'round', 'an integer from 0', round);
  const { key0, key1 } = randomKey(seed, { purpose: 'select', round });
  return sampling.type === 'uniform'
    ? uniformCohort(sampling.cohortSize, population, key0, key1)
    : poissonCohort(sampling.rate, population, key0, key1);
}

/** Checks a scheme against a population once, before a run starts. Throws as `selectCohort` does. */
export function checkSampling(sampling: CohortSampling, population: number): void {
  if (!isU32(population) || population === 0)
    throw new InvalidArgumentError('selectCohort', 'population', 'an integer of at least 1', population);
  if (sampling.type === 'poisson') {
    if (!(sampling.rate > 0 && sampling.rate <= 1))
      throw new InvalidArgumentError('selectCohort', 'rate', 'a number in (0, 1]', sampling.rate);
    return;
  }
  if (!isU32(sampling.cohortSize) || sampling.cohortSize === 0)
    throw new InvalidArgumentError(
      'selectCohort',
      'cohortSize',
      'an integer of at least 1',
      sampling.cohortSize,
    );
  if (sampling.cohortSize > population) throw new CohortTooLargeError(sampling.cohortSize, population);
}

/** Expected number of clients a round: the public denominator that noise needs. */
export function expectedCohortSize(sampling: CohortSampling, population: number): number {
  return sampling.type === 'uniform' ? sampling.cohortSize : sampling.rate * population;
}

/**
 * Cohort size of a participation fraction: `max(ceil(fraction * population), 1)` (McMahan et al. 2017, algorithm 1).
 * A product within one part in 10^12 of an integer counts as that integer: 0.1 * 30 is 3, not 4.
 */
export function cohortSizeOf(fraction: number, population: number): number {
  if (!(fraction >= 0 && fraction <= 1))
    throw new InvalidArgumentError('cohortSizeOf', 'fraction', 'a number in [0, 1]', fraction);
  const exact = fraction * population;
  const nearest = Math.round(exact);
  const size = Math.abs(exact - nearest) <= 1e-12 * exact ? nearest : Math.ceil(exact);
  return Math.max(size, 1);
}

/** Floyd's algorithm (Bentley and Floyd 1987, "A Sample of Brilliance"): draw i is uniform on 0 .. K - m + i. */
function uniformCohort(cohortSize: number, population: number, key0: number, key1: number): Uint32Array {
  const chosen = new Set<number>();
  for (let i = 0; i < cohortSize; i++) {
    const last = population - cohortSize + i;
    const candidate = uniformBelow(last + 1, key0, key1, i, 0, 0);
    chosen.add(chosen.has(candidate) ? last : candidate);
  }
  return Uint32Array.from(chosen).sort();
}

/** Client k takes elements 2k and 2k + 1 of the stream as 53 bits, so that even a tiny rate is met to 2^-53. */
function poissonCohort(rate: number, population: number, key0: number, key1: number): Uint32Array {
  const chosen: number[] = [];
  for (let k = 0; k < population; k += 2) {
    const words = philox4x32(k >>> 1, 0, 0, 0, key0, key1);
    if (uniform53(words[0], words[1]) < rate) chosen.push(k);
    if (k + 1 < population && uniform53(words[2], words[3]) < rate) chosen.push(k + 1);
  }
  return Uint32Array.from(chosen);
}

function uniform53(high: number, low: number): number {
  return ((high >>> 5) * 0x4000000 + (low >>> 6)) / 0x20000000000000;
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}
