/** A result does not depend on where, with how many threads, or in which order it was computed. */
import { describe, expect, it } from 'vitest';
import { resolveBackend } from '../../src/kernels/select.js';
import { allow, fullPipeline, lcg, options, runWith, simulate, task } from './fixtures.js';

const image = { features: 30, classes: 4, size: 200 };
const protectedRun = (backend: object, workers: number) =>
  options({
    data: { source: task(image), partitioner: { type: 'dirichlet', numPartitions: 10, alpha: 2 } },
    model: { type: 'mlp', layers: [30, 24, 12, 4], activation: 'relu' },
    strategy: { cohortSize: 7, weightedBy: 'uniform' },
    update: fullPipeline,
    privacy: allow,
    run: { numServerRounds: 5, seed: 11 },
    backend: { ...backend, workers },
  });
const fingerprint = async (backend: object, workers = 1): Promise<string> =>
  (await simulate(protectedRun(backend, workers))).fingerprint;

function runsHere(isa: string): boolean {
  try {
    resolveBackend({ backend: 'native', isa });
    return true;
  } catch {
    return false;
  }
}
const levels = ['base', 'avx2', 'avx512', 'neon'].filter(runsHere);

describe('the whole pipeline gives the same bytes', () => {
  it.each(levels)('for 1, 2 and 8 workers on native %s', async (isa) => {
    const backend = { type: 'native', isa };
    const one = await fingerprint(backend, 1);
    expect(await fingerprint(backend, 2)).toBe(one);
    expect(await fingerprint(backend, 8)).toBe(one);
  });

  it('for 1, 2 and 8 worker threads on WASM', async () => {
    const one = await fingerprint({ type: 'wasm' }, 1);
    expect(await fingerprint({ type: 'wasm' }, 2)).toBe(one);
    expect(await fingerprint({ type: 'wasm' }, 8)).toBe(one);
  });

  it('for WASM, the reference and native at its base level: one profile', async () => {
    const reference = await fingerprint({ type: 'reference' });
    expect(await fingerprint({ type: 'wasm' })).toBe(reference);
    if (levels.includes('base')) expect(await fingerprint({ type: 'native', isa: 'base' })).toBe(reference);
  });

  it.runIf(levels.length > 1)('for all levels of the fma profile, which differs from plain', async () => {
    const fma = levels.filter((isa) => isa !== 'base');
    const prints = await Promise.all(fma.map((isa) => fingerprint({ type: 'native', isa })));
    expect(new Set(prints).size).toBe(1);
    expect(prints[0]).not.toBe(await fingerprint({ type: 'wasm' }));
    // The reference of that profile is chosen by the back end's options, not by the configuration.
    const { createReference } = await import('../../src/kernels/reference.js');
    const { createInlineRunner } = await import('../../src/train/inline-runner.js');
    const { createLocalTrainer } = await import('../../src/train/local-trainer.js');
    const { localTrainingOptions } = await import('../../src/federation/assemble.js');
    const result = await runWith(protectedRun({ type: 'reference' }, 1), (setup) => {
      const kernels = createReference('fma');
      const local = createLocalTrainer(
        setup.model,
        createInlineRunner(kernels),
        localTrainingOptions(setup.config, setup.strategy),
      );
      return { kernels, local, trainer: local };
    });
    expect(result.fingerprint).toBe(prints[0]);
  });

  it('for any order in which clients finish', async () => {
    const given = protectedRun({ type: 'reference' }, 1);
    const inTurn = (await simulate(given)).fingerprint;
    for (const order of [1, 2, 3]) {
      const shuffled = await runWith(given, ({ trainer }) => ({
        workers: 4,
        trainer: {
          name: 'delayed',
          async train(job) {
            const result = await trainer.train(job);
            // Addressed by (order, round, client), so that a failure can be run again.
            const random = lcg(1000 * order + 10 * job.round + job.client);
            await new Promise((resolve) => setTimeout(resolve, 12 * random()));
            return result;
          },
        },
      }));
      expect(shuffled.fingerprint).toBe(inTurn);
    }
  });

  it('for another seed it gives other bytes', async () => {
    const given = protectedRun({ type: 'reference' }, 1);
    const one = await simulate(given);
    const other = await simulate({ ...given, run: { ...given.run, seed: 12 } });
    expect(other.fingerprint).not.toBe(one.fingerprint);
  });
});
