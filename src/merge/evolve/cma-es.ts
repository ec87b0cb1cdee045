/**
 * CMA-ES, minimising (Hansen, arXiv 1604.00772; active update of section B.2 by default).
 *
 * Pure functions on a state of plain numbers: `askCma` gives the candidates of a generation, `tellCma` takes their costs and
 * gives the next state. A state that went through JSON continues with the same bits. Normals are addressed by seed, restart,
 * generation and candidate; arithmetic is float64 in one fixed order.
 */
import { expF64 } from '../../data/partition/elementary.js';
import { InvalidArgumentError } from '../../errors.js';
import { parseSeed, randomKey } from '../../kernels/address.js';
import { normalF64 } from '../../kernels/reference/random.js';
import { type CmaShape, type CmaVariant, cmaCoefficients, defaultPopulation } from './cma-coefficients.js';
import { symmetricEigen } from './eigen.js';

export interface CmaOptions {
  /** Start point; its length is the dimension, at least 1. */
  readonly mean: readonly number[];
  /** Initial step size, above 0: about a third of the range in which the optimum is expected. */
  readonly sigma: number;
  readonly seed: number | string | bigint;
  /** Candidates of a generation, at least 2. Default: 4 + floor(3 ln D). */
  readonly populationSize?: number;
  /** Default: 'tutorial'. */
  readonly variant?: CmaVariant;
  /** Let bad candidates shrink the covariance. Default: true, and false under 'purecma', which knows no negative weights. */
  readonly active?: boolean;
  /** Keep the covariance diagonal: linear time and memory. Default: true above 200 dimensions. */
  readonly diagonal?: boolean;
  /** When the eigen-decomposition is renewed: 'lazy' as the tutorial says, or in every generation. Default: 'lazy'. */
  readonly eigen?: 'lazy' | 'always';
  /** Number of the restart; addresses other normals. Default: 0. */
  readonly restart?: number;
}

/** Everything that the next generation depends on. Plain numbers; safe in JSON while costs are finite (see `checkpoint.ts`). */
export interface CmaState {
  readonly shape: CmaShape;
  readonly eigen: 'lazy' | 'always';
  readonly seed: string;
  readonly restart: number;
  /** Generations told. */
  readonly generation: number;
  readonly evaluations: number;
  /** Evaluations at the last eigen-decomposition. */
  readonly eigenAt: number;
  readonly mean: readonly number[];
  readonly sigma: number;
  readonly sigma0: number;
  /** Row-major [D, D], or its diagonal [D]. */
  readonly C: readonly number[];
  /** Eigenvectors in columns, row-major [D, D]; empty if diagonal. */
  readonly B: readonly number[];
  /** Square roots of the eigenvalues. */
  readonly d: readonly number[];
  readonly pSigma: readonly number[];
  readonly pC: readonly number[];
}

/** Sets the addresses of searches apart from those of randomised merge methods, whose entity is the hash of a tensor's name. */
const entity = 0x636d612d65733031n;

/** @throws {InvalidArgumentError} for an empty or non-finite mean, a step size not above 0, or a population below 2. */
export function createCma(options: CmaOptions): CmaState {
  const { mean, sigma, variant = 'tutorial', eigen = 'lazy', restart = 0 } = options;
  const D = mean.length;
  if (D === 0 || !mean.every(Number.isFinite))
    throw new InvalidArgumentError('createCma', 'mean', 'a list of at least one finite number', mean);
  if (!(Number.isFinite(sigma) && sigma > 0))
    throw new InvalidArgumentError('createCma', 'sigma', 'a finite number above 0', sigma);
  const lambda = options.populationSize ?? defaultPopulation(D);
  if (!Number.isInteger(lambda) || lambda < 2)
    throw new InvalidArgumentError('createCma', 'populationSize', 'a whole number of at least 2', lambda);
  const diagonal = options.diagonal ?? D > 200;
  const active = options.active ?? variant === 'tutorial';
  if (active && variant === 'purecma')
    throw new InvalidArgumentError('createCma', 'active', 'false under the variant purecma', active);
  return {
    shape: { dimension: D, lambda, variant, active, diagonal },
    eigen,
    seed: String(parseSeed(options.seed)),
    restart,
    generation: 0,
    evaluations: 0,
    eigenAt: 0,
    mean: [...mean],
    sigma,
    sigma0: sigma,
    C: diagonal ? new Array<number>(D).fill(1) : identity(D),
    B: diagonal ? [] : identity(D),
    d: new Array<number>(D).fill(1),
    pSigma: new Array<number>(D).fill(0),
    pC: new Array<number>(D).fill(0),
  };
}

/** The candidates of the coming generation: x_k = m + sigma B diag(d) z_k. The same state always gives the same ones. */
export function askCma(state: CmaState): Float64Array[] {
  const { shape, mean, sigma, d, seed, restart, generation } = state;
  const { key0, key1 } = randomKey(seed, { purpose: 'merge', round: generation, entity });
  const z = new Float64Array(shape.dimension);
  return Array.from({ length: shape.lambda }, (_, k) => {
    normalF64(z, 1, key0, key1, 0, 0, k, restart);
    const step = fromEigenbasis(
      state,
      z.map((value, i) => value * d[i]),
    );
    return step.map((value, i) => mean[i] + sigma * value);
  });
}

/**
 * The state after a generation.
 *
 * @param candidates - lambda points; usually those of `askCma`, but any may be told.
 * @param costs - one a candidate; NaN counts as +infinity. Ties: the earlier candidate is better.
 */
export function tellCma(
  state: CmaState,
  candidates: readonly ArrayLike<number>[],
  costs: ArrayLike<number>,
): CmaState {
  const { shape, sigma, generation } = state;
  const { dimension: D, lambda } = shape;
  if (candidates.length !== lambda || costs.length !== lambda)
    throw new InvalidArgumentError(
      'tellCma',
      'candidates and costs',
      `lists of ${lambda}`,
      candidates.length,
    );
  const { mu, weights, muEff, cSigma, cC, c1, cMu, dSigma, chi } = cmaCoefficients(shape);

  const ranked = rank(costs);
  const steps = ranked.map((k) => state.mean.map((m, i) => (candidates[k][i] - m) / sigma));
  const mean = state.mean.map((_, i) => {
    let next = 0;
    for (let r = 0; r < mu; r++) next += weights[r] * candidates[ranked[r]][i];
    return next;
  });
  const y = mean.map((m, i) => (m - state.mean[i]) / sigma);

  const whitened = whiten(state, y);
  const forPath = Math.sqrt(cSigma * (2 - cSigma) * muEff);
  const pSigma = state.pSigma.map((p, i) => (1 - cSigma) * p + forPath * whitened[i]);
  const length2 = squared(pSigma);
  // Every generation has lambda evaluations, so 2 e / lambda is twice the number of generations.
  const started = 1 - integerPower(1 - cSigma, 2 * (generation + 1));
  const h = length2 / D / started < 2 + 4 / (D + 1) ? 1 : 0;
  const forC = h * Math.sqrt(cC * (2 - cC) * muEff);
  const pC = state.pC.map((p, i) => (1 - cC) * p + forC * y[i]);

  const c1a = c1 * (1 - (1 - h * h) * cC * (2 - cC));
  const decay = 1 - c1a - cMu * weights.reduce((total, w) => total + w, 0);
  const factors = steps.map((step, r) => {
    if (weights[r] >= 0) return cMu * weights[r];
    const norm2 = squared(whiten(state, step));
    return norm2 === 0 ? 0 : (cMu * weights[r] * D) / norm2;
  });
  const C = updatedCovariance(state, { decay, c1, pC, factors, steps });
  const exponent =
    shape.variant === 'purecma'
      ? ((cSigma / dSigma) * (length2 / D - 1)) / 2
      : (cSigma / dSigma) * (Math.sqrt(length2) / chi - 1);
  const next: CmaState = {
    ...state,
    generation: generation + 1,
    evaluations: state.evaluations + lambda,
    mean,
    sigma: sigma * expF64(Math.min(1, exponent)),
    C,
    pSigma,
    pC,
  };
  const gap = state.eigen === 'always' ? 0 : (0.5 * lambda) / ((c1 + cMu) * D);
  return next.evaluations - state.eigenAt > gap ? decomposed(next) : next;
}

/** Indices by ascending cost; the earlier of equal ones first, NaN as +infinity. */
export function rank(costs: ArrayLike<number>): number[] {
  const cost = (k: number): number => (Number.isNaN(costs[k]) ? Number.POSITIVE_INFINITY : costs[k]);
  return Array.from({ length: costs.length }, (_, k) => k).sort((a, b) =>
    cost(a) === cost(b) ? a - b : cost(a) < cost(b) ? -1 : 1,
  );
}

interface CovarianceUpdate {
  readonly decay: number;
  readonly c1: number;
  readonly pC: readonly number[];
  readonly factors: readonly number[];
  readonly steps: readonly (readonly number[])[];
}

function updatedCovariance(
  state: CmaState,
  { decay, c1, pC, factors, steps }: CovarianceUpdate,
): readonly number[] {
  const { dimension: D, diagonal } = state.shape;
  const element = (old: number, i: number, j: number): number => {
    let value = decay * old + c1 * pC[i] * pC[j];
    for (let r = 0; r < steps.length; r++)
      if (factors[r] !== 0) value += factors[r] * steps[r][i] * steps[r][j];
    return value;
  };
  if (diagonal) return state.C.map((old, i) => element(old, i, i));
  const C = [...state.C];
  for (let i = 0; i < D; i++)
    for (let j = 0; j <= i; j++) {
      const value = element(state.C[i * D + j], i, j);
      C[i * D + j] = value;
      C[j * D + i] = value;
    }
  return C;
}

/** Renews B and d. Rounding may leave an eigenvalue at or below 0: it is raised to the smallest that can be told from 0. */
function decomposed(state: CmaState): CmaState {
  const { dimension: D, diagonal } = state.shape;
  const root = (value: number, top: number): number => Math.sqrt(Math.max(value, top * 1e-20));
  const eigenAt = state.evaluations;
  if (diagonal) {
    const top = Math.max(...state.C);
    return { ...state, eigenAt, d: state.C.map((value) => root(value, top)) };
  }
  const { values, vectors } = symmetricEigen(state.C, D);
  return { ...state, eigenAt, B: vectors, d: values.map((value) => root(value, values[D - 1])) };
}

/** B v. */
function fromEigenbasis({ shape, B }: CmaState, v: ArrayLike<number>): Float64Array {
  const D = shape.dimension;
  if (shape.diagonal) return Float64Array.from(v);
  return new Float64Array(D).map((_, i) => {
    let sum = 0;
    for (let j = 0; j < D; j++) sum += B[i * D + j] * v[j];
    return sum;
  });
}

/** C^(-1/2) v = B diag(1 / d) B^T v. */
function whiten(state: CmaState, v: readonly number[]): Float64Array {
  const { shape, B, d } = state;
  const D = shape.dimension;
  const rotated = new Float64Array(D).map((_, j) => {
    if (shape.diagonal) return v[j] / d[j];
    let sum = 0;
    for (let i = 0; i < D; i++) sum += B[i * D + j] * v[i];
    return sum / d[j];
  });
  return fromEigenbasis(state, rotated);
}

function squared(v: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i] * v[i];
  return sum;
}

function integerPower(base: number, exponent: number): number {
  let result = 1;
  for (let factor = base, left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= factor;
    factor *= factor;
  }
  return result;
}

function identity(n: number): number[] {
  return Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}
