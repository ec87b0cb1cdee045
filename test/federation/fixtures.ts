/** Small federations that finish in milliseconds, and runs of them with parts exchanged. */
import { type Dataset, dataset, type TaskData } from '../../src/data/dataset.js';
import type { SimulateOptions } from '../../src/federation/config/objects.js';
import { resolveOptions } from '../../src/federation/config/resolve.js';
import { createEventStream } from '../../src/federation/event-stream.js';
import type { RoundEvent, RunEvent } from '../../src/federation/events.js';
import type { Host } from '../../src/federation/host.js';
import { createNodeHost } from '../../src/federation/host.node.js';
import { Run, type SimulationResult } from '../../src/federation/run.js';
import { type RunSetup, setUp } from '../../src/federation/setup.js';
import { startRun } from '../../src/federation/simulate.js';
import type { Trainer, TrainJob, TrainResult } from '../../src/train/trainer.js';

export const host: Host = createNodeHost(() => ({
  heddle: 'test',
  runtime: 'node',
  platform: 'test',
  arch: 'test',
  cpu: 'test',
  cores: 1,
  memoryBytes: 1,
}));

/** Park-Miller: a generator of the tests' own, exact in float64. */
export function lcg(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) % 2147483647 || 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

export interface BlobOptions {
  size?: number;
  features?: number;
  classes?: number;
  seed?: number;
}

/** Classes in turn around centres of their own: a linear model tells most of them apart. */
export function blobs({ size = 120, features = 6, classes = 3, seed = 1 }: BlobOptions = {}): Dataset {
  const centre = lcg(99);
  const centres = Float64Array.from({ length: classes * features }, () => 2 * centre() - 1);
  const random = lcg(seed);
  const x = new Float32Array(size * features);
  const y = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    y[i] = i % classes;
    for (let j = 0; j < features; j++)
      x[i * features + j] = centres[y[i] * features + j] + 0.6 * (random() - 0.5);
  }
  return dataset({ name: 'blobs', x, shape: [features], y, classes });
}

export const task = (options: BlobOptions = {}): TaskData => ({
  train: blobs(options),
  test: blobs({ ...options, size: 60, seed: 77 }),
});

/** 12 clients of 10 examples, 6 a round, a small MLP, reference kernels on this thread unless said otherwise. */
export function options(changes: SimulateOptions = {}): SimulateOptions {
  return {
    data: { source: task(), partitioner: { type: 'iid', numPartitions: 12 } },
    model: { type: 'mlp', layers: [6, 8, 3], activation: 'tanh' },
    backend: { type: 'reference', workers: 1 },
    ...changes,
    run: { numServerRounds: 4, ...changes.run },
    client: { localEpochs: 1, batchSize: 4, lr: 0.2, ...changes.client },
    strategy: changes.strategy ?? { cohortSize: 6 },
  };
}

/** Every stage there is, with seeded noise. */
export const fullPipeline: NonNullable<SimulateOptions['update']> = {
  reduce: 'fixed-denominator',
  pipeline: [
    { fisherDropout: { rates: [0, 0.25, 0.5], refreshEvery: 2 } },
    { clip: { maxNorm: 0.5 } },
    { quantize: { format: 'int8', block: 16 } },
    { gaussianNoise: { where: 'server', noiseMultiplier: 0.5, source: 'simulation' } },
  ],
};
export const allow = { unaccounted: 'allow' } as const;

export function simulate(given: SimulateOptions): Promise<SimulationResult> {
  return startRun(given, host).result;
}

/** Runs to its end, however it ends, and hands back all events. */
export async function watch(
  given: SimulateOptions,
): Promise<{ events: RunEvent[]; rounds: RoundEvent[]; result?: SimulationResult; error?: unknown }> {
  const run = startRun(given, host);
  const events: RunEvent[] = [];
  for await (const event of run.events) events.push(event);
  const rounds = events.filter((event): event is RoundEvent => event.event === 'round');
  try {
    return { events, rounds, result: await run.result };
  } catch (error) {
    return { events, rounds, error };
  }
}

/** A run whose prepared parts are changed before the first round. */
export async function runWith(
  given: SimulateOptions,
  change: (setup: RunSetup) => Partial<RunSetup>,
): Promise<SimulationResult> {
  const resolved = resolveOptions(given);
  const setup = await setUp(resolved, host);
  const begun = { started: 0, clock: performance.now() };
  const hashes = { configHash: '', kernelBuild: '' };
  try {
    const changed = { ...setup, ...change(setup) };
    return await new Run(changed, resolved, host, createEventStream(), begun, hashes).execute();
  } finally {
    await setup.dispose();
  }
}

/** A trainer of one's own from a function of the job that gives the update. */
export function trainer(update: (job: TrainJob) => Float32Array | Promise<Float32Array>): Trainer {
  return {
    name: 'own',
    async train(job): Promise<TrainResult> {
      const n = job.index.length;
      return { update: await update(job), lossSum: n, correct: 0, examples: n, steps: 1 };
    },
  };
}

/** The error of a promise that has to reject. */
export async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const settled = await promise.then(
    () => undefined,
    (error: unknown) => error as Error & Record<string, unknown>,
  );
  if (!settled) throw new Error('expected a rejection, but it resolved');
  return settled;
}
