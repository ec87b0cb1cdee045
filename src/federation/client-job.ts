/** One client's part of a round: what it is sent, its training, and whether what came back can be used. */
import { UpdateRejectedError } from '../combine/errors.js';
import type { ClientStatistics } from '../combine/reducers.js';
import { type HeddleError, InvalidArgumentError } from '../errors.js';
import { WorkerCrashError } from '../train/errors.js';
import type { TrainJob, TrainResult } from '../train/trainer.js';
import type { Delivery } from '../update/pipeline.js';
import type { PlanContext } from '../update/stage.js';
import type { ClientStateStore } from './client-state.js';
import { measureClient, wantedStatistics } from './client-statistics.js';
import { UserResultError } from './errors.js';
import type { RunSetup } from './setup.js';
import { asUserCodeError } from './user-code.js';

/** A client that trained; its update has not passed the pipeline yet. */
export interface TrainedClient {
  readonly client: number;
  readonly delivery: Delivery;
  readonly context: PlanContext;
  readonly result: TrainResult;
  /** What the reduction asks of clients; absent where it asks nothing, and where the update is not finite. */
  readonly statistics?: ClientStatistics;
}

/** A client that takes no part in this round's sum. */
export interface RejectedClient {
  readonly client: number;
  readonly rejected: HeddleError;
}

/**
 * Sends a client its model and trains it.
 *
 * @param round - from 0. @param lr - local learning rate.
 * @throws {UserCodeError} for what a user's trainer throws, {@link UserResultError} for what it should not return.
 */
export async function trainClient(
  setup: RunSetup,
  clients: ClientStateStore,
  client: number,
  round: number,
  lr: number,
): Promise<TrainedClient | RejectedClient> {
  const { config, data, partition, pipeline, trainer, local, kernels, model, params } = setup;
  const index = partition.client(client);
  const context: PlanContext = {
    round,
    client,
    seed: config.run.seed,
    kernels,
    spec: model.spec,
    state: clients.of(client),
    global: params,
    nExamples: index.length,
    fisher: (limit) =>
      local.fisher(params, data.train, limit === undefined ? index : index.subarray(0, limit)),
  };
  try {
    const delivery = await pipeline.deliver(context);
    const { plan } = delivery;
    const result = await trained(setup, {
      params: delivery.params,
      spec: plan?.spec ?? model.spec,
      widths: plan && Object.fromEntries([...plan.kept].map(([group, units]) => [group, units.length])),
      data: data.train,
      index,
      client,
      round,
      seed: config.run.seed,
      lr,
    });
    checkResult(trainer.name, result, delivery, client, round);
    const wanted = wantedStatistics(setup);
    if (!wanted || kernels.allFiniteF32(result.update) === 0) return { client, delivery, context, result };
    if (delivery.plan)
      throw new InvalidArgumentError(
        'simulate',
        'update.pipeline',
        `without sub-models: ${wanted.kind} are measured on whole models`,
        pipeline.stages[0]?.name,
        'remove the stage that chooses sub-models, or reduce with weightedMean or meanOfHolders',
      );
    // Taken before the update passes the pipeline, which clips and overwrites it.
    const own = new Float32Array(result.update.length);
    kernels.addF32(own, delivery.params, result.update);
    const statistics = await measureClient(setup, wanted, own, index);
    return { client, delivery, context, result, statistics };
  } catch (error) {
    if (error instanceof UpdateRejectedError || error instanceof WorkerCrashError)
      return { client, rejected: error };
    throw error;
  }
}

async function trained({ trainer }: RunSetup, job: TrainJob): Promise<TrainResult> {
  try {
    return await trainer.train(job);
  } catch (error) {
    // A thread that died may have been killed by another job's memory: once more on a new one.
    if (error instanceof WorkerCrashError) return trainer.train(job);
    throw asUserCodeError(`trainer '${trainer.name}'`, job.round, job.client, error);
  }
}

function checkResult(
  name: string,
  result: TrainResult | undefined,
  delivery: Delivery,
  client: number,
  round: number,
): void {
  const { update } = result ?? {};
  const wanted = delivery.params.length;
  const hint =
    'return { update: Float32Array of the same length as job.params, lossSum, correct, examples, steps }';
  const fail = (problem: string): never => {
    throw new UserResultError(`trainer '${name}'`, round + 1, `for client ${client} ${problem}`, hint);
  };
  if (!(update instanceof Float32Array)) fail('returned no Float32Array as `update`');
  else if (update.length !== wanted) fail(`returned ${update.length} values for ${wanted} parameters`);
  for (const key of ['lossSum', 'correct', 'examples', 'steps'] as const)
    if (typeof result?.[key] !== 'number') fail(`returned no number as \`${key}\``);
}
