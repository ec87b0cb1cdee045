import { InvalidArgumentError } from '../errors.js';
import { createSecureNoise, createSimRng } from '../privacy/noise.js';
import type { Stage } from './stage.js';

export interface GaussianNoiseOptions {
  /** `server`: on the sum of the clipped updates (central). `client`: on each update (local). */
  where: 'server' | 'client';
  /** Standard deviation of the noise over the clip bound, > 0. */
  noiseMultiplier: number;
  /** Bound of the clip before it, in the units of the weights. */
  maxNorm: number;
  /** Central only: the sum gets the noise of a cohort of this size, scaled to the one that is simulated. */
  noiseCohortSize?: number;
  /** `simulation`: seeded, no guarantee. `secure`: keyed by the operating system. */
  source: 'simulation' | 'secure';
}

/**
 * Gaussian noise on clipped updates. Local noise has standard deviation noiseMultiplier * maxNorm on every coordinate sent.
 *
 * @see Dwork and Roth 2014, appendix A (Gaussian mechanism); Granqvist et al. 2024 (pfl-research) for the noise cohort.
 */
export function gaussianNoise(options: GaussianNoiseOptions): Stage {
  const { where, noiseMultiplier, maxNorm, noiseCohortSize, source } = options;
  if (!(noiseMultiplier > 0))
    throw new InvalidArgumentError('gaussianNoise', 'noiseMultiplier', 'a number above 0', noiseMultiplier);
  if (where === 'server')
    return { name: 'gaussian-noise', centralNoise: { noiseMultiplier, maxNorm, noiseCohortSize, source } };
  const noiseStddev = noiseMultiplier * maxNorm;
  return {
    name: 'gaussian-noise',
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
