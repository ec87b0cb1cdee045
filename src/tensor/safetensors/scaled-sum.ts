/**
 * Sums of squares and of products of float64 values of any magnitude. In plain float64 a square overflows from 1.4e154 on and vanishes
 * below 1.5e-162, so values beyond {@link stepsFor}'s bounds are first multiplied by a power of two, which rounds nothing that counts.
 *
 * @see Blue 1978, "A Portable Fortran Program to Find the Euclidean Norm of a Vector", which LAPACK's dlassq follows.
 */

const STEP = 2 ** 600;
/** Sums of 2^53 products of values up to it are finite. */
const GREATEST = 2 ** 480;
/** The square of it is normal, and so is that of a value 2^61 times smaller: what vanishes is below the rounding of the sum. */
const LEAST = 2 ** -450;

/** By how many steps of 2^600 values have to be scaled down before they are multiplied, the largest magnitude of which is given. */
export function stepsFor(largest: number): -1 | 0 | 1 {
  if (largest > GREATEST) return 1;
  return largest < LEAST && largest !== 0 ? -1 : 0;
}

/** What to multiply by to scale down by that many steps. */
export function factorOf(steps: -1 | 0 | 1): number {
  if (steps === 0) return 1;
  return steps > 0 ? 1 / STEP : STEP;
}

/** A sum whose value is kept as a number times 2^(600 steps). */
export class ScaledSum {
  #value = 0;
  #steps = 0;

  /** Adds value * 2^(600 steps). */
  add(value: number, steps = 0): void {
    if (value === 0) return;
    const most = this.#value === 0 ? steps : Math.max(this.#steps, steps);
    this.#value = shifted(this.#value, this.#steps - most) + shifted(value, steps - most);
    this.#steps = most;
  }

  /** The sum over a count. */
  over(count: number): number {
    return shifted(this.#value / count, this.#steps);
  }

  /** Square root of a sum of squares; infinity where it is beyond float64, which only a sum of several squares can be. */
  root(): number {
    return shifted(Math.sqrt(this.#value), this.#steps / 2);
  }

  /** This sum of products over the norms of its factors, whose sums of squares are given; NaN where one is 0. */
  cosine(squaresA: ScaledSum, squaresB: ScaledSum): number {
    const norms = Math.sqrt(squaresA.#value) * Math.sqrt(squaresB.#value);
    const steps = this.#steps - (squaresA.#steps + squaresB.#steps) / 2;
    // Rounding can leave the bounds of a cosine.
    return Math.max(-1, Math.min(1, shifted(this.#value / norms, steps)));
  }
}

/** L2 norm of the norms of parts. */
export function normOfNorms(norms: Iterable<number>): number {
  const squares = new ScaledSum();
  for (const norm of norms) {
    const steps = stepsFor(norm);
    const scaled = norm * factorOf(steps);
    squares.add(scaled * scaled, 2 * steps);
  }
  return squares.root();
}

function shifted(value: number, steps: number): number {
  let result = value;
  for (let k = 0; k < steps; k++) result *= STEP;
  for (let k = 0; k > steps; k--) result /= STEP;
  return result;
}
