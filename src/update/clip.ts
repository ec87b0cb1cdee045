import { kLeastClipNorm } from '../combine/aggregator.js';
import { UpdateRejectedError } from '../combine/errors.js';
import { InvalidArgumentError } from '../errors.js';
import type { Stage } from './stage.js';

/**
 * Clips the client's update to an L2 norm over all its coordinates jointly, before anything is quantized or noised.
 *
 * @param options.maxNorm - bound in the units of the weights, finite and at least 1e-30: below that the rounding of float32
 *   subnormals could carry a clipped update over its bound.
 * @throws {InvalidArgumentError} for another bound, or where the update is quantized before.
 * @throws {UpdateRejectedError} on the client's update being not finite.
 * @see McMahan et al. 2018, "Learning Differentially Private Recurrent Language Models", flat clipping.
 */
export function clip({ maxNorm }: { maxNorm: number }): Stage {
  if (!(maxNorm >= kLeastClipNorm && Number.isFinite(maxNorm)))
    throw new InvalidArgumentError('clip', 'maxNorm', 'a finite bound of at least 1e-30', maxNorm);
  return {
    name: 'clip',
    maxNorm,
    upload: {
      encode(payload, { client, kernels }) {
        if (payload.kind !== 'dense')
          throw new InvalidArgumentError(
            'clip',
            'its place',
            'before quantize in the pipeline',
            payload.kind,
          );
        const norm = kernels.clipInPlaceF32(payload.values, maxNorm);
        if (!Number.isFinite(norm)) throw new UpdateRejectedError(String(client), 'not-finite', norm);
        return payload;
      },
      decode: (payload) => payload,
    },
  };
}
