/** Whether measurements were made on the model that they lie beside. */
import { modelSha256 } from '../../tensor/safetensors/model-hash.js';
import type { ModelSource } from '../../tensor/safetensors/source.js';
import { MergeError } from '../errors.js';
import type { MergePlan } from '../plan.js';
import { SIDECAR_KEYS } from './sidecar.js';

/**
 * Refuses measurements of another model. Reads every model that has some once.
 *
 * @throws {MergeError} of class `stale_sidecar`.
 */
export async function checkSidecars(
  plan: MergePlan,
  sources: readonly ModelSource[],
  signal?: AbortSignal,
): Promise<void> {
  for (const [at, { sidecar, reference }] of plan.models.entries()) {
    const expected = sources[at].metadata[SIDECAR_KEYS.model];
    if (sidecar === undefined || expected === undefined) continue;
    const actual = await modelSha256(sources[sidecar.of], signal);
    if (actual === expected) continue;
    throw new MergeError(
      'stale_sidecar',
      `${reference} was measured on another model than the one beside it`,
      'measure the model again with `heddle gather`, or put back the model that it was measured on',
      { model: plan.models[sidecar.of].reference, expected, actual },
    );
  }
}
