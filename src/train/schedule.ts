/** Learning rates over rounds. No platform function decides a value: the cosine is our own polynomial. */
import { InvalidArgumentError } from '../errors.js';

/** The part of a client's configuration that a learning rate depends on. */
export interface ClientConfigLike {
  /** Of round 0. */
  readonly lr: number;
  readonly lrSchedule: 'constant' | 'cosine' | 'step' | 'exp';
  /** Rounds between two steps, >= 1. Default: 30. */
  readonly lrStepEvery?: number;
  /** Factor. Default: 0.1 for `step`, 0.99 for `exp`. */
  readonly lrGamma?: number;
}

/** cos(pi x) for x in [0, 1], within 4e-16: Taylor series of sine and cosine on quarter turns. */
export function cosPi(x: number): number {
  if (x > 0.5) return -cosPi(1 - x);
  if (x > 0.25) return sinSeries(Math.PI * (0.5 - x));
  return cosSeries(Math.PI * x);
}

function cosSeries(angle: number): number {
  const square = angle * angle;
  let sum = 0;
  let term = 1;
  for (let k = 0; k < 11; k++) {
    sum += term;
    term *= -square / ((2 * k + 1) * (2 * k + 2));
  }
  return sum;
}

function sinSeries(angle: number): number {
  const square = angle * angle;
  let sum = 0;
  let term = angle;
  for (let k = 1; k < 11; k++) {
    sum += term;
    term *= -square / (2 * k * (2 * k + 1));
  }
  return sum;
}

/**
 * Local learning rate of a round.
 *
 * `constant`; `cosine`: lr (1 + cos(pi r / R)) / 2; `step`: times gamma every `lrStepEvery` rounds; `exp`: times gamma each round.
 * @param round - from 0. @param rounds - planned rounds R.
 * @throws {InvalidArgumentError} for a round that is no integer from 0, or no rounds or step length above 0.
 */
export function learningRate(config: ClientConfigLike, round: number, rounds: number): number {
  const { lr, lrSchedule, lrStepEvery = 30 } = config;
  if (!(Number.isSafeInteger(round) && round >= 0))
    throw new InvalidArgumentError('learningRate', 'round', 'an integer of at least 0', round);
  if (!(rounds > 0)) throw new InvalidArgumentError('learningRate', 'rounds', 'a number above 0', rounds);
  if (!(lrStepEvery > 0))
    throw new InvalidArgumentError('learningRate', 'lrStepEvery', 'a number above 0', lrStepEvery);
  switch (lrSchedule) {
    case 'constant':
      return lr;
    case 'cosine':
      return (lr * (1 + cosPi(Math.min(1, round / rounds)))) / 2;
    case 'step':
      return lr * integerPower(config.lrGamma ?? 0.1, Math.floor(round / lrStepEvery));
    case 'exp':
      return lr * integerPower(config.lrGamma ?? 0.99, round);
    default:
      return lrSchedule satisfies never;
  }
}

function integerPower(base: number, exponent: number): number {
  let result = 1;
  let factor = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= factor;
    factor *= factor;
  }
  return result;
}
