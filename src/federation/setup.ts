/** Everything a run holds from its first round to its last. */

import { platform } from '#platform';
import type { Dataset, TaskData } from '../data/dataset.js';
import { type Partition, type PartitionSpec, partition } from '../data/partition/index.js';
import { sharedF32, sharedU32 } from '../data/shared-memory.js';
import { HeddleError, InvalidArgumentError } from '../errors.js';
import { defaultBackendOptions } from '../kernels/current.js';
import type { Kernels } from '../kernels/kernels.js';
import { type BackendInfo, compiledWasm, loadBackend, resolveBackend } from '../kernels/select.js';
import type { Model } from '../program/model.js';
import { ParamSpec } from '../tensor/param-spec.js';
import { createInlineRunner } from '../train/inline-runner.js';
import type { JobRunner } from '../train/job.js';
import { createLocalTrainer, type LocalTrainer } from '../train/local-trainer.js';
import { createModuleTrainer } from '../train/module-trainer.js';
import { createNativeRunner } from '../train/native-runner.js';
import type { Trainer } from '../train/trainer.js';
import type { WorkerTask } from '../train/worker-protocol.js';
import { createWorkerRunner } from '../train/worker-runner.js';
import { createPipeline, type UpdatePipeline } from '../update/pipeline.js';
import { assembleModel, assembleStages, assembleStrategy, localTrainingOptions } from './assemble.js';
import type { CustomObjects } from './config/objects.js';
import type { ResolvedConfig } from './config/resolve.js';
import { configuredCohortSize } from './config/rule-context.js';
import type { SimulateConfig } from './config/schema.js';
import { ModelModuleError } from './errors.js';
import { type Host, shapedFor, taskShape } from './host.js';
import { type CohortSampling, checkSampling } from './sampling.js';
import type { Strategy } from './strategies/strategy.js';

/** Told as an event when the run starts. */
export interface SetupWarning {
  /** Stable, upper snake case. */
  readonly code: string;
  readonly message: string;
}

export interface RunSetup {
  readonly config: SimulateConfig;
  readonly data: { readonly train: Dataset; readonly test?: Dataset };
  readonly partition: Partition;
  readonly model: Model;
  readonly strategy: Strategy;
  readonly pipeline: UpdatePipeline;
  readonly sampling: CohortSampling;
  /** Expected clients of a round. */
  readonly cohortSize: number;
  readonly backend: BackendInfo;
  readonly kernels: Kernels;
  readonly workers: number;
  /** What a person should know before the first round. */
  readonly warnings: readonly SetupWarning[];
  /** Trains clients; the same object as `local` unless the user gave another. */
  readonly trainer: Trainer;
  /** The built-in programs, for evaluation and Fisher scores. */
  readonly local: LocalTrainer;
  /** The global model, in shared memory. */
  readonly params: Float32Array;
  /** 0 .. test size - 1. */
  readonly testIndex: Uint32Array;
  dispose(): Promise<void>;
}

/** @throws every error that a configuration can meet on real data: files, shapes, back end, cohort. */
export async function setUp(resolved: ResolvedConfig, host: Host): Promise<RunSetup> {
  const { config } = resolved;
  const objects = await withModel(resolved, host);
  const { addon, ...backend } = resolveBackend(backendOptions(config));
  const kernels = await loadBackend({ ...backendOptions(config), backend: backend.backend });
  const loaded = objects.dataset ? asTask(objects.dataset) : await host.loadTask(config);
  const data = shaped(loaded, inputShape(config, objects));
  const model = assembleModel(config, objects, data.train);
  const parts = await makePartition(config, objects, data.train);
  const cohortSize = configuredCohortSize(config.strategy, parts.numClients);
  const sampling: CohortSampling =
    config.strategy.sampling === 'poisson'
      ? { type: 'poisson', rate: cohortSize / parts.numClients }
      : { type: 'uniform', cohortSize };
  checkSampling(sampling, parts.numClients);
  const strategy = assembleStrategy(config, objects);
  const pipeline = createPipeline(assembleStages(config, objects));
  const wanted = config.backend.workers || platform.availableParallelism();
  const warnings: SetupWarning[] = [];
  const runner = await createRunner(backend, addon, kernels, wanted, warnings);
  const { workers } = runner;
  try {
    const local = createLocalTrainer(model, runner, localTrainingOptions(config, strategy));
    const moduleTrainer =
      !objects.trainer && config.client.trainer
        ? createModuleTrainer(host.moduleUrl(config.client.trainer), workers)
        : undefined;
    const params = sharedF32(model.spec.size);
    params.set(model.init(config.run.seed));
    return {
      config,
      data,
      partition: parts,
      model,
      strategy,
      pipeline,
      sampling,
      cohortSize,
      backend,
      kernels,
      workers,
      warnings,
      trainer: (objects.trainer as Trainer | undefined) ?? moduleTrainer ?? local,
      local,
      params,
      testIndex: ascending(data.test?.size ?? 0),
      async dispose() {
        await Promise.all([runner.dispose(), moduleTrainer?.dispose()]);
        kernels.dispose();
      },
    };
  } catch (error) {
    await runner.dispose();
    throw error;
  }
}

function ascending(length: number): Uint32Array {
  const index = sharedU32(length);
  for (let i = 0; i < length; i++) index[i] = i;
  return index;
}

/** The objects of the run, with the model of `model.type: module` among them. */
async function withModel({ config, objects }: ResolvedConfig, host: Host): Promise<CustomObjects> {
  if (config.model.type !== 'module') return objects;
  const { path } = config.model;
  let model: Model | undefined;
  try {
    ({ model } = (await import(host.moduleUrl(path))) as { model?: Model });
  } catch (error) {
    // A model that does not fit together names its layer and line itself.
    if (error instanceof HeddleError) throw error;
    throw new ModelModuleError(
      path,
      `cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
  if (!(model?.spec instanceof ParamSpec))
    throw new ModelModuleError(path, 'has no export `model` made with defineModel');
  return { ...objects, model };
}

function backendOptions({ backend }: SimulateConfig) {
  const defaults = defaultBackendOptions();
  return {
    ...defaults,
    ...(backend.type === 'auto' ? {} : { backend: backend.type }),
    ...(backend.isa === undefined ? {} : { isa: backend.isa }),
  };
}

function asTask(given: Dataset | TaskData): { train: Dataset; test?: Dataset } {
  return 'train' in given ? given : { train: given };
}

function inputShape(config: SimulateConfig, objects: CustomObjects): readonly number[] | undefined {
  if (objects.model) return objects.model.input;
  if (config.model.type === 'mnist-cnn') return [1, 28, 28];
  return taskShape(config)?.input;
}

function shaped(
  task: { train: Dataset; test?: Dataset },
  input: readonly number[] | undefined,
): { train: Dataset; test?: Dataset } {
  if (input === undefined || input.reduce((a, b) => a * b, 1) !== task.train.exampleSize) return task;
  const { train, test } = shapedFor({ train: task.train, test: task.test ?? task.train }, input);
  return task.test ? { train, test } : { train };
}

async function makePartition(
  config: SimulateConfig,
  objects: CustomObjects,
  train: Dataset,
): Promise<Partition> {
  const spec = config.data.partitioner;
  if (spec.type !== 'custom') return partition(train, spec as PartitionSpec, config.run.seed);
  const custom = objects.partitioner as
    | { partition?: (data: Dataset, seed: number | string) => unknown }
    | undefined;
  const made = await custom?.partition?.(train, config.run.seed);
  if (!Array.isArray(made))
    throw new InvalidArgumentError(
      'simulate',
      'data.partitioner',
      'an object whose partition(data, seed) returns one index list per client',
      made,
    );
  return partition(train, { type: 'custom', clients: made }, config.run.seed);
}

async function createRunner(
  backend: BackendInfo,
  addon: ReturnType<typeof resolveBackend>['addon'],
  kernels: Kernels,
  workers: number,
  warnings: SetupWarning[],
): Promise<JobRunner> {
  switch (backend.backend) {
    case 'native':
      if (!addon) throw new InvalidArgumentError('simulate', 'the addon', 'loaded', addon);
      return createNativeRunner(addon, { workers, isa: backend.isa });
    case 'wasm':
      return threaded(workers, { type: 'wasm', module: await compiledWasm() }, kernels, warnings);
    case 'reference':
      return threaded(workers, { type: 'reference', profile: backend.profile }, kernels, warnings);
    default:
      return backend.backend satisfies never;
  }
}

/** Worker threads, or the calling thread where none can start (a page's policy): the same bytes, later. */
async function threaded(
  workers: number,
  task: WorkerTask,
  kernels: Kernels,
  warnings: SetupWarning[],
): Promise<JobRunner> {
  if (workers === 1) return createInlineRunner(kernels);
  const runner = createWorkerRunner(workers, task);
  try {
    await runner.ready;
    return runner;
  } catch (error) {
    await runner.dispose();
    const why = error instanceof HeddleError ? error.problem : String(error);
    warnings.push({
      code: 'WARN_NO_THREADS',
      message: `clients train one after another, because worker threads did not start: ${why}`,
    });
    return createInlineRunner(kernels);
  }
}
