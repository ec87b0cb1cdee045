import { InvalidArgumentError } from '../errors.js';
import { createSecureNoise, createSimRng } from '../privacy/noise.js';
import type { CentralNoise, Stage } from './stage.js';

export interface GaussianNoiseOptions {
  /** `server`: on the sum of the clipped updates (central). `client`: on each update (local). */
  where: 'server' | 'client';
  /** Standard deviation of the noise over the clip bound, > 0. */
  noiseMultiplier: number;
  /** Bound of the clip before it, in the units of the weights. */
  maxNorm: number;
  /** Central only, > 0: the sum gets the noise of a cohort of this size, scaled to the one that is simulated. */
  noiseCohortSize?: number;
  /** `simulation`: seeded, no guarantee. `secure`: keyed by the operating system. */
  source: 'simulation' | 'secure';
}

/**
 * Gaussian noise on clipped updates. Local noise has standard deviation noiseMultiplier * maxNorm on every coordinate sent;
 * for central noise see {@link centralNoiseStddev}.
 *
 * @throws {InvalidArgumentError} for a multiplier, bound or cohort size that is not finite and above 0.
 * @see Dwork and Roth 2014, appendix A (Gaussian mechanism); Granqvist et al. 2024 (pfl-research) for the noise cohort.
 */
export function gaussianNoise(options: GaussianNoiseOptions): Stage {
  const { where, noiseMultiplier, maxNorm, noiseCohortSize, source } = options;
  checkPositive('noiseMultiplier', noiseMultiplier);
  checkPositive('maxNorm', maxNorm);
  if (noiseCohortSize !== undefined) checkPositive('noiseCohortSize', noiseCohortSize);
  if (where !== 'server' && where !== 'client')
    throw new InvalidArgumentError('gaussianNoise', 'where', "'server' or 'client'", where);
  if (source !== 'simulation' && source !== 'secure')
    throw new InvalidArgumentError('gaussianNoise', 'source', "'simulation' or 'secure'", source);
  if (where === 'server')
    return { name: 'gaussian-noise', centralNoise: { noiseMultiplier, maxNorm, noiseCohortSize, source } };
  const noiseStddev = noiseMultiplier * maxNorm;
  return {
    name: 'gaussian-noise',
    localNoise: { noiseMultiplier, maxNorm, source },
    upload: {
      encode(payload, { kernels, seed, round, client }) {
        if (payload.kind !== 'dense')
          throw new InvalidArgumentError(
            'gaussianNoise',
            'its place',
            'before quantize in the pipeline',
            payload.kind,
          );
        if (source === 'secure') createSecureNoise().addNormal(payload.values, noiseStddev);
        else
          createSimRng(kernels, seed).addNormal(payload.values, noiseStddev, {
            purpose: 'noise',
            round,
            entity: client,
          });
        return payload;
      },
      decode: (payload) => payload,
    },
  };
}

/**
 * Standard deviation of the central noise on every coordinate of the mean of clipped updates over the expected cohort m, each
 * client weighing at most 1 / m: noiseMultiplier * maxNorm / m. With a noise cohort C it is noiseMultiplier * maxNorm / C, which
 * is noiseMultiplier * maxNorm * m / C on the sum: the mean then has the signal-to-noise ratio of the large cohort.
 *
 * @param cohortSize - expected clients of the simulated round, > 0.
 * @throws {InvalidArgumentError} for a cohort size that is not finite and above 0.
 * @see Granqvist et al. 2024 (pfl-research), noise cohort size.
 */
export function centralNoiseStddev(
  { noiseMultiplier, maxNorm, noiseCohortSize }: CentralNoise,
  cohortSize: number,
): number {
  checkPositive('cohortSize', cohortSize);
  return (noiseMultiplier * maxNorm) / (noiseCohortSize ?? cohortSize);
}

function checkPositive(argument: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('gaussianNoise', argument, 'a finite number above 0', value);
}
