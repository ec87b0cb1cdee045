import type { Kernels } from '../../src/kernels/kernels.js';
import { createReference } from '../../src/kernels/reference.js';
import { availableBackends } from '../../src/kernels/select.js';

/** One set of kernels of every back end that runs here (native at its last instruction set), the reference always among them. */
async function oneOfEach(): Promise<Kernels[]> {
  const all = await availableBackends().catch(() => [createReference()]);
  const byName = new Map<string, Kernels>();
  for (const kernels of all)
    if (kernels.backend !== 'reference' || kernels.profile === 'plain') byName.set(kernels.backend, kernels);
  return [...byName.values()];
}

export const backends: readonly Kernels[] = await oneOfEach();
