/** What the bytes of a merge depend on, as one hash: an interrupted run is resumed, and an intermediate model used again, by it. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import type { ModelSource } from '../tensor/safetensors/source.js';
import { version } from '../version.js';
import type { MergePlan } from './plan.js';

/**
 * SHA-256 over the plan and the identity of the input files (path, length, time of the last change). Contents are not read: the
 * reader notices files that change while it reads.
 */
export function planKey(plan: MergePlan, sources: readonly ModelSource[]): string {
  const files = sources.flatMap(({ files }) =>
    files.map(({ path, size }) => [path, size, String(statSync(path, { bigint: true }).mtimeNs)]),
  );
  const { outputs, seed, strict, models, config } = plan;
  const described = JSON.stringify(
    { version, outputs, seed, strict, models, config, files },
    (_, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      return value instanceof Int32Array ? [...value] : value;
    },
  );
  return createHash('sha256').update(described).digest('hex');
}
