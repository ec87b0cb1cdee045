/** One local job on a fixed set of examples, ready to be run again and again: what training benches time. */
import type { Dataset } from '../../data/dataset.js';
import { arrayTypes } from '../../kernels/checked.js';
import type { Kernels } from '../../kernels/kernels.js';
import { findAddon } from '../../kernels/select.js';
import type { Model } from '../../program/model.js';
import { type BoundProgram, fisherProgram, trainingProgram } from '../../program/programs.js';
import { startScalars } from '../../program/scalars.js';
import { programExamples } from '../../train/examples.js';
import { createInlineRunner } from '../../train/inline-runner.js';
import type { JobRunner, SpaceArray } from '../../train/job.js';
import { createNativeRunner } from '../../train/native-runner.js';

export interface LocalJobOptions {
  model: Model;
  data: Dataset;
  batchSize: number;
  steps: number;
  lr: number;
  /** Start values; default: the model's own under seed 0. */
  initial?: Float32Array;
  /** `clip`: every example's gradient is clipped before the mean, without noise. `fisher`: the diagonal Fisher. */
  kind?: 'sgd' | 'clip' | 'fisher';
}

export interface LocalJob {
  readonly steps: number;
  run(): Promise<void>;
  /** Parameters after the job, or the Fisher sums. */
  result(): Float32Array | Float64Array;
}

/** Settles a job on the first `steps * batchSize` examples, in order. */
export function prepareLocalJob(runner: JobRunner, options: LocalJobOptions): LocalJob {
  const { model, data, batchSize, steps, lr, kind = 'sgd' } = options;
  const examples = programExamples(data);
  const program = programOf(options, examples.format);
  const initial = options.initial ?? model.init(0);
  const bindings: Record<string, SpaceArray> = { ...examples.bindings };
  // The Fisher program reads `params`, training copies `initial` there.
  bindings[kind === 'fisher' ? 'params' : 'initial'] = initial;
  for (const { name, dtype, length, role } of program.spaces)
    if (!(name in bindings) && role !== 'arena' && role !== 'index')
      bindings[name] = new arrayTypes[dtype](length);
  const scalars = startScalars(program, {
    lr,
    exampleCount: data.size,
    dropoutKey: { key0: 1, key1: 2 },
  });
  const index = Uint32Array.from({ length: steps * batchSize }, (_, i) => i);
  return {
    steps,
    run: () => runner.run({ program, bindings, index, epochs: 1, scalars }),
    result: () => {
      if (kind === 'fisher') return bindings.fisher as Float64Array;
      const delta = bindings.delta as Float32Array;
      return delta.map((value, i) => initial[i] + value);
    },
  };
}

function programOf(
  { model, batchSize, kind }: LocalJobOptions,
  examples: ReturnType<typeof programExamples>['format'],
): BoundProgram {
  if (kind === 'fisher') return fisherProgram(model, { batchSize, examples });
  return trainingProgram(model, {
    batchSize,
    examples,
    exampleClip: kind === 'clip' ? { maxNorm: 1 } : undefined,
  });
}

/** A runner of one back end: the native pool, or the calling thread. */
export function runnerFor(kernels: Kernels, workers = 1): JobRunner {
  const found = findAddon();
  return kernels.backend === 'native' && 'addon' in found
    ? createNativeRunner(found.addon, { workers, isa: kernels.isa })
    : createInlineRunner(kernels);
}
