/** Which model measurements were made on. */
import { createHash } from 'node:crypto';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { ModelSource } from '../../tensor/safetensors/source.js';
import { MergeError } from '../errors.js';
import type { MergePlan } from '../plan.js';
import { SIDECAR_KEYS } from './sidecar.js';

/** Elements that are read at a time. */
const CHUNK = 1 << 20;

/**
 * SHA-256 over names, types, shapes and bytes of a model's tensors in the order of their names: equal for equal models however they are
 * cut into files.
 */
export async function modelSha256(source: ModelSource, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const names = [...source.tensors.keys()].sort();
  for (const name of names) {
    const info = source.tensors.get(name);
    if (info === undefined) continue;
    const { dtype, shape, size } = info;
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
    const buffer = new Uint8Array(bytesOf(dtype, Math.min(size, CHUNK)));
    for (let begin = 0; begin < size; begin += CHUNK) {
      signal?.throwIfAborted();
      hash.update(await source.readBytes(info, begin, Math.min(size, begin + CHUNK), buffer));
    }
  }
  return hash.digest('hex');
}

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
