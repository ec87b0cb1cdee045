/** Strategy parameters of CMA-ES (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, table 1). */
import { logF64 } from '../../data/partition/elementary.js';

/**
 * `tutorial`: step size from the length of the path. `purecma`: from its square, with another damping; negative weights are
 * not used (pycma's purecma.py).
 */
export type CmaVariant = 'tutorial' | 'purecma';

export interface CmaShape {
  readonly dimension: number;
  /** Candidates of a generation. */
  readonly lambda: number;
  readonly variant: CmaVariant;
  /** Whether bad candidates shrink the covariance (tutorial, eq. 47). */
  readonly active: boolean;
  /** Whether the covariance is kept diagonal (Ros and Hansen 2008, sep-CMA-ES). */
  readonly diagonal: boolean;
}

export interface CmaCoefficients {
  readonly mu: number;
  /** One a rank, best first; those from `mu` on are negative or 0. */
  readonly weights: readonly number[];
  readonly muEff: number;
  readonly cSigma: number;
  readonly cC: number;
  readonly c1: number;
  readonly cMu: number;
  readonly dSigma: number;
  /** Approximate expectation of |N(0, I)|. */
  readonly chi: number;
}

/** 4 + floor(3 ln D), the default population. */
export function defaultPopulation(dimension: number): number {
  return 4 + Math.floor(3 * logF64(dimension));
}

export function cmaCoefficients(shape: CmaShape): CmaCoefficients {
  const { dimension: D, lambda, variant, active, diagonal } = shape;
  const mu = Math.floor(lambda / 2);
  const raw = Array.from({ length: lambda }, (_, i) => logF64((lambda + 1) / 2) - logF64(i + 1));
  const positive = sum(raw.slice(0, mu));
  const best = raw.slice(0, mu).map((w) => w / positive);
  const muEff = 1 / sum(best.map((w) => w * w));

  const cSigma = (muEff + 2) / (D + muEff + 5);
  const cC = (4 + muEff / D) / (D + 4 + (2 * muEff) / D);
  const faster = diagonal ? (D + 1.5) / 3 : 1;
  const c1 = Math.min(1, (faster * 2) / ((D + 1.3) * (D + 1.3) + muEff));
  const cMu = Math.min(1 - c1, (faster * 2 * (muEff - 2 + 1 / muEff)) / ((D + 2) * (D + 2) + muEff));
  const dSigma =
    variant === 'purecma'
      ? (2 * muEff) / lambda + 0.3 + cSigma
      : 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (D + 1)) - 1) + cSigma;
  const bad = raw.slice(mu);
  const worst = active && cMu > 0 ? negativeWeights(bad, { D, c1, cMu, muEff }) : bad.map(() => 0);
  return {
    mu,
    weights: [...best, ...worst],
    muEff,
    cSigma,
    cC,
    c1,
    cMu,
    dSigma,
    chi: Math.sqrt(D) * (1 - 1 / (4 * D) + 1 / (21 * D * D)),
  };
}

/** Tutorial eq. 49 to 53: scaled so that the covariance stays positive definite. */
function negativeWeights(
  raw: readonly number[],
  { D, c1, cMu, muEff }: { D: number; c1: number; cMu: number; muEff: number },
): number[] {
  const total = sum(raw.map((w) => Math.abs(w)));
  if (total === 0) return [...raw];
  const muEffMinus = (total * total) / sum(raw.map((w) => w * w));
  const allowed = Math.min(1 + c1 / cMu, 1 + (2 * muEffMinus) / (muEff + 2), (1 - c1 - cMu) / (D * cMu));
  return raw.map((w) => (w * Math.max(0, allowed)) / total);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
