/** `heddle bench training`: steps of local training, what clipping and Fisher cost, and what a second thread brings. */
import type { Dataset } from '../../data/dataset.js';
import { withShape } from '../../data/dataset.js';
import { loadMnist } from '../../data/mnist.node.js';
import { syntheticTask } from '../../data/synthetic.js';
import { HeddleError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import { createReference } from '../../kernels/reference.js';
import { cifar10Cnn, mlp, mnistCnn } from '../../nn/zoo.js';
import type { Model } from '../../program/model.js';
import { createInlineRunner } from '../../train/inline-runner.js';
import type { JobRunner } from '../../train/job.js';
import { type LocalJobOptions, prepareLocalJob, runnerFor } from './local-job.js';
import { median, type PairedRatio, pairedRatio, relativeSpread } from './statistics.js';
import { type Candidate, type Timing, timeJobsInTurn } from './timing.js';

interface Workload {
  name: string;
  model: Model;
  images: 'mnist' | 'cifar10';
  batchSize: number;
  /** Steps of one job: an epoch of a client with 600 examples, fewer where steps are long. */
  steps: number;
  lr: number;
  /** Batch of the check against the reference, which is plain TypeScript. */
  checkedBatch: number;
}

export const workloads: readonly Workload[] = [
  { name: '2nn', model: mlp(), images: 'mnist', batchSize: 10, steps: 60, lr: 0.1, checkedBatch: 10 },
  { name: '2nn', model: mlp(), images: 'mnist', batchSize: 50, steps: 12, lr: 0.1, checkedBatch: 10 },
  {
    name: 'mnist-cnn',
    model: mnistCnn(),
    images: 'mnist',
    batchSize: 10,
    steps: 6,
    lr: 0.05,
    checkedBatch: 2,
  },
  {
    name: 'cifar10-cnn',
    model: cifar10Cnn(),
    images: 'cifar10',
    batchSize: 10,
    steps: 4,
    lr: 0.05,
    checkedBatch: 2,
  },
];

/** One workload on one back end, one thread but for `twoThreads`. */
export interface TrainingRow {
  workload: string;
  batchSize: number;
  backend: string;
  isa: string;
  /** Plain SGD, seconds of one step. */
  medianSeconds: number;
  spread: number;
  samples: number;
  /** Seconds of a step with every example's gradient clipped, over those of plain SGD in the same turns. */
  clip: PairedRatio;
  /** The same for the diagonal Fisher. */
  fisher: PairedRatio;
  /** Clients a second of two threads over those of one; native only. */
  twoThreads?: PairedRatio;
  /** This back end's speed over that of WebAssembly in the same turns. */
  againstWasm?: PairedRatio;
}

export interface TrainingBenchOptions {
  backends: readonly Kernels[];
  filter?: string;
  secondsEach: number;
  turns: number;
  onRow?: (row: TrainingRow) => void;
}

export interface TrainingBenchResult {
  rows: TrainingRow[];
  /** Where the MNIST images came from; speeds of sparse inputs depend on them. */
  images: 'mnist' | 'synthetic';
  failed: { workload: string; backend: string; difference: string }[];
}

export async function benchTraining(options: TrainingBenchOptions): Promise<TrainingBenchResult> {
  const mnist = await mnistOrTwin();
  const result: TrainingBenchResult = { rows: [], images: mnist.images, failed: [] };
  for (const workload of workloads) {
    if (options.filter !== undefined && !workload.name.includes(options.filter)) continue;
    const source = workload.images === 'mnist' ? mnist.train : syntheticTask('cifar10', { seed: 0 }).train;
    const data = withShape(source, workload.model.input);
    const backends: Kernels[] = [];
    for (const kernels of options.backends) {
      const difference = await differenceFromReference(workload, data, kernels);
      if (difference === undefined) backends.push(kernels);
      else result.failed.push({ workload: workload.name, backend: kernels.backend, difference });
    }
    for (const row of await timeWorkload(workload, data, backends, options)) {
      result.rows.push(row);
      options.onRow?.(row);
    }
  }
  return result;
}

async function mnistOrTwin(): Promise<{ train: Dataset; images: TrainingBenchResult['images'] }> {
  try {
    return { train: (await loadMnist()).train, images: 'mnist' };
  } catch (error) {
    if (!(error instanceof HeddleError) || error.code !== 'ERR_DATA_NOT_FOUND') throw error;
    return { train: syntheticTask('mnist', { seed: 0 }).train, images: 'synthetic' };
  }
}

/** Two steps of every kind on the back end and on the reference of its profile must give the same bits. */
async function differenceFromReference(
  workload: Workload,
  data: Dataset,
  kernels: Kernels,
): Promise<string | undefined> {
  const runner = runnerFor(kernels);
  const reference = createInlineRunner(createReference(kernels.profile));
  try {
    for (const kind of ['sgd', 'clip', 'fisher'] as const) {
      const options = { ...jobOptions(workload, data, kind), batchSize: workload.checkedBatch, steps: 2 };
      const results = await Promise.all(
        [runner, reference].map(async (where) => {
          const job = prepareLocalJob(where, options);
          await job.run();
          return job.result();
        }),
      );
      const at = results[0].findIndex((value, i) => !Object.is(value, results[1][i]));
      if (at >= 0) return `${kind}: value ${at} is ${results[0][at]}, the reference has ${results[1][at]}`;
    }
    return undefined;
  } finally {
    await runner.dispose();
  }
}

function jobOptions(
  { model, batchSize, steps, lr }: Workload,
  data: Dataset,
  kind: LocalJobOptions['kind'],
): LocalJobOptions {
  return { model, data, batchSize, steps, lr, kind };
}

const KINDS = ['sgd', 'clip', 'fisher'] as const;
/** Jobs in one measurement of threads: enough that neither of two waits long for the other at the end. */
const CONCURRENT_JOBS = 8;
/** A client of a real run takes many steps; in jobs of a few, copying the weights in and out weighs too much. */
const CONCURRENT_STEPS = 20;

async function timeWorkload(
  workload: Workload,
  data: Dataset,
  backends: readonly Kernels[],
  options: TrainingBenchOptions,
): Promise<TrainingRow[]> {
  const candidates: Candidate[] = [];
  const runners: JobRunner[] = [];
  const runner = (kernels: Kernels, workers: number): JobRunner => {
    const made = runnerFor(kernels, workers);
    runners.push(made);
    return made;
  };
  for (const kernels of backends) {
    const one = runner(kernels, 1);
    for (const kind of KINDS) {
      const job = prepareLocalJob(one, jobOptions(workload, data, kind));
      candidates.push({ name: `${kernels.backend} ${kind}`, run: () => job.run() });
    }
    if (kernels.backend !== 'native') continue;
    for (const workers of [1, 2]) {
      const pool = runner(kernels, workers);
      const jobs = Array.from({ length: CONCURRENT_JOBS }, () =>
        prepareLocalJob(pool, {
          ...jobOptions(workload, data, 'sgd'),
          steps: Math.max(workload.steps, CONCURRENT_STEPS),
        }),
      );
      candidates.push({
        name: `${kernels.backend} ${workers} threads`,
        run: () => Promise.all(jobs.map((job) => job.run())),
      });
    }
  }
  const timings = await timeJobsInTurn(candidates, { seconds: options.secondsEach, turns: options.turns });
  await Promise.all(runners.map((made) => made.dispose()));
  const turns = (name: string): number[] | undefined => timings.get(name)?.turns;
  return backends.flatMap((kernels) => {
    const sgd = timings.get(`${kernels.backend} sgd`);
    return sgd ? [rowOf(workload, kernels, sgd, turns)] : [];
  });
}

function rowOf(
  { name, batchSize, steps }: Workload,
  { backend, isa }: Kernels,
  sgd: Timing,
  turns: (name: string) => number[] | undefined,
): TrainingRow {
  const over = (kind: string): PairedRatio => pairedRatio(turns(`${backend} ${kind}`) ?? [], sgd.turns);
  const one = turns(`${backend} 1 threads`);
  const two = turns(`${backend} 2 threads`);
  const wasm = turns('wasm sgd');
  return {
    workload: name,
    batchSize,
    backend,
    isa,
    medianSeconds: median(sgd.samples) / steps,
    spread: relativeSpread(sgd.samples),
    samples: sgd.samples.length,
    clip: over('clip'),
    fisher: over('fisher'),
    ...(one && two ? { twoThreads: pairedRatio(one, two) } : {}),
    ...(wasm && backend !== 'wasm' ? { againstWasm: pairedRatio(wasm, sgd.turns) } : {}),
  };
}
