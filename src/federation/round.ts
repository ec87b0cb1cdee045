/** One round: clients train in parallel, their updates pass the pipeline and the reduction in cohort order. */

import type { Aggregator } from '../combine/aggregator.js';
import { UpdateRejectedError } from '../combine/errors.js';
import type { GatheringReducer, StreamingReducer } from '../combine/reducers.js';
import { HeddleError, InvalidArgumentError } from '../errors.js';
import { createSecureNoise, createSimRng } from '../privacy/noise.js';
import { WorkerCrashError } from '../train/errors.js';
import type { TrainResult } from '../train/trainer.js';
import { centralNoiseStddev } from '../update/gaussian-noise.js';
import type { Delivery, Receipt } from '../update/pipeline.js';
import type { PlanContext } from '../update/stage.js';
import type { ClientStateStore } from './client-state.js';
import { DivergedError, UserCodeError, UserResultError } from './errors.js';
import { inOrder } from './reorder.js';
import { RoundStats } from './round-stats.js';
import type { RunSetup } from './setup.js';
import type { ClientUpdate } from './strategies/strategy.js';

/** Vectors and accumulators that live as long as the run. */
export interface RoundState {
  readonly clients: ClientStateStore;
  readonly aggregator?: Aggregator;
  readonly delta: Float32Array;
  readonly serverState: Readonly<Record<string, Float32Array>>;
}

/** Entity of server-side randomness: no client has this id. */
const kServer = (1n << 64n) - 1n;
/** A client that clips cannot exceed its bound by more than a quantizer adds. */
const kRejectAbove = 4;

export function createRoundState(setup: RunSetup, clients: ClientStateStore): RoundState {
  const { strategy, kernels, params, pipeline, cohortSize } = setup;
  const { aggregate } = strategy;
  const size = params.length;
  const pipelined = typeof aggregate === 'function' ? undefined : aggregate;
  return {
    clients,
    aggregator:
      pipelined?.reduce.kind === 'streaming'
        ? pipelined.reduce.create({
            kernels,
            size,
            maxNorm: pipeline.maxNorm,
            rejectAbove: pipeline.maxNorm === undefined ? undefined : kRejectAbove,
            expectedWeight: cohortSize * expectedClientWeight(setup),
          })
        : undefined,
    delta: new Float32Array(size),
    serverState: Object.fromEntries(
      (pipelined?.serverOptimizer.stateNames ?? []).map((name) => [name, new Float32Array(size)]),
    ),
  };
}

/** Integer weight of a client: 1, or its examples up to the cap. */
export function clientWeight({ config }: RunSetup, nExamples: number): number {
  const { weightedBy, weightCap } = config.strategy;
  return weightedBy === 'uniform' ? 1 : Math.min(nExamples, weightCap ?? nExamples);
}

/** The public weight of one expected client: the cap where there is one, else the mean. */
function expectedClientWeight({ config, partition }: RunSetup): number {
  const { weightedBy, weightCap } = config.strategy;
  if (weightedBy === 'uniform') return 1;
  return weightCap ?? partition.indices.length / partition.numClients;
}

interface Trained {
  client: number;
  delivery: Delivery;
  context: PlanContext;
  result: TrainResult;
}
type Outcome = Trained | { client: number; rejected: HeddleError };

/** Runs a round and steps the global model in place. @param round - from 0; @param lr - local learning rate. */
export async function runRound(
  setup: RunSetup,
  state: RoundState,
  cohort: Uint32Array,
  round: number,
  lr: number,
): Promise<RoundStats> {
  const stats = new RoundStats(setup, cohort.length);
  const { strategy, workers } = setup;
  const { aggregate } = strategy;
  const window = 2 * workers;
  const start = (slot: number): Promise<Outcome> => trainClient(setup, state, cohort[slot], round, lr);
  const outcomes = inOrder(cohort.length, window, start);

  async function* updates(wantMask: boolean): AsyncGenerator<ClientUpdate & { receipt: Receipt }> {
    for await (const { slot, result: outcome } of outcomes) {
      if ('rejected' in outcome) {
        reject(setup, stats, outcome.client, outcome.rejected, round);
        continue;
      }
      const { client, delivery, context, result } = outcome;
      checkLoss(setup, result, client, round);
      try {
        const receipt = stats.timed('encode', () =>
          setup.pipeline.receive(result.update, delivery, context, wantMask),
        );
        stats.addClient(client, result, delivery, receipt);
        const weight = clientWeight(setup, context.nExamples);
        yield { client, slot, update: receipt.update, weight, receipt };
      } catch (error) {
        if (!(error instanceof UpdateRejectedError)) throw error;
        reject(setup, stats, client, error, round);
      }
    }
  }

  const before = performance.now();
  if (typeof aggregate === 'function') await customAggregate(setup, state, round, updates(false), aggregate);
  else if (aggregate.reduce.kind === 'streaming')
    await stream(setup, state, stats, round, updates(aggregate.reduce.wantsMask), aggregate.reduce);
  else await gather(setup, state, stats, round, updates(false), aggregate.reduce);
  stats.sectionEnds(before);
  return stats;
}

async function trainClient(
  setup: RunSetup,
  state: RoundState,
  client: number,
  round: number,
  lr: number,
): Promise<Outcome> {
  const { config, data, partition, pipeline, trainer, local, kernels, model, params } = setup;
  const index = partition.client(client);
  const context: PlanContext = {
    round,
    client,
    seed: config.run.seed,
    kernels,
    spec: model.spec,
    state: state.clients.of(client),
    global: params,
    nExamples: index.length,
    fisher: (limit) =>
      local.fisher(params, data.train, limit === undefined ? index : index.subarray(0, limit)),
  };
  try {
    const delivery = await pipeline.deliver(context);
    const { plan } = delivery;
    const job = {
      params: delivery.params,
      spec: plan?.spec ?? model.spec,
      widths: plan && Object.fromEntries([...plan.kept].map(([group, units]) => [group, units.length])),
      data: data.train,
      index,
      client,
      round,
      seed: config.run.seed,
      lr,
    };
    const attempt = () => trainer.train(job);
    const result = await attempt().catch((error: unknown) => {
      // A thread that died may have been killed by another job's memory: once more on a new one.
      if (error instanceof WorkerCrashError) return attempt();
      throw error;
    });
    checkResult(result, delivery, round);
    return { client, delivery, context, result };
  } catch (error) {
    if (error instanceof UpdateRejectedError || error instanceof WorkerCrashError)
      return { client, rejected: error };
    if (error instanceof HeddleError) throw error;
    throw new UserCodeError(`trainer '${trainer.name}'`, round + 1, client, error);
  }
}

function checkResult(result: TrainResult, delivery: Delivery, round: number): void {
  if (!(result?.update instanceof Float32Array) || result.update.length !== delivery.params.length)
    throw new UserResultError(
      'the trainer',
      round + 1,
      `returned ${result?.update?.length ?? 'no'} values for ${delivery.params.length} parameters`,
      'return { update: Float32Array of the same length as job.params, lossSum, correct, examples, steps }',
    );
}

/** A loss that left the finite numbers ends the run where `run.on-diverge` says so. */
function checkLoss({ config }: RunSetup, { lossSum }: TrainResult, client: number, round: number): void {
  if (Number.isFinite(lossSum) || config.run.onDiverge !== 'fail') return;
  throw new DivergedError(round + 1, `the training loss of client ${client} is ${lossSum}`);
}

function reject(setup: RunSetup, stats: RoundStats, client: number, error: HeddleError, round: number): void {
  stats.reject(client, error, round);
  // A slot without an update adds nothing: skipping it is the identity of the ordered sum.
  if (setup.config.log.clientMetrics === 'all') stats.clientRow(client, 'rejected', {});
}

async function stream(
  setup: RunSetup,
  state: RoundState,
  stats: RoundStats,
  round: number,
  updates: AsyncIterable<ClientUpdate & { receipt: Receipt }>,
  _reduce: StreamingReducer,
): Promise<void> {
  const { aggregator, delta } = state;
  if (!aggregator)
    throw new InvalidArgumentError('round', 'aggregator', 'made for a streaming reduction', aggregator);
  for await (const { client, slot, update, weight, receipt } of updates) {
    const transformed = transform(setup, round, client, update, weight);
    try {
      const { norm, clipped } = stats.timed('aggregate', () =>
        aggregator.add(update, { weight: transformed, slot, client, mask: receipt.mask }),
      );
      stats.addNorm(norm, clipped);
    } catch (error) {
      if (!(error instanceof UpdateRejectedError)) throw error;
      stats.unreport(client);
      reject(setup, stats, client, error, round);
    }
  }
  stats.timed('aggregate', () => {
    aggregator.finish(delta);
    serverStep(setup, state, stats, round, delta);
  });
}

async function gather(
  setup: RunSetup,
  state: RoundState,
  stats: RoundStats,
  round: number,
  updates: AsyncIterable<ClientUpdate>,
  reduce: GatheringReducer,
): Promise<void> {
  const { kernels, pipeline } = setup;
  const all: Float32Array[] = [];
  const weights: number[] = [];
  for await (const { client, update, weight } of updates) {
    const own = update.slice();
    const transformed = transform(setup, round, client, own, weight);
    const norm =
      pipeline.maxNorm === undefined
        ? Math.sqrt(kernels.sumSquaresF32(own))
        : kernels.clipInPlaceF32(own, pipeline.maxNorm);
    if (!Number.isFinite(norm)) {
      stats.unreport(client);
      reject(setup, stats, client, new UpdateRejectedError(String(client), 'not-finite', norm), round);
      continue;
    }
    stats.addNorm(norm, pipeline.maxNorm !== undefined && norm > pipeline.maxNorm);
    all.push(own);
    weights.push(transformed);
  }
  stats.timed('aggregate', () => {
    const { delta } = state;
    if (all.length === 0) delta.fill(0);
    else reduce.reduce(delta, all, weights, 0, delta.length);
    serverStep(setup, state, stats, round, delta);
  });
}

function transform(
  setup: RunSetup,
  round: number,
  client: number,
  update: Float32Array,
  weight: number,
): number {
  const { strategy, kernels, params } = setup;
  if (typeof strategy.aggregate === 'function') return weight;
  return strategy.aggregate.transforms.reduce(
    (w, each) => each.apply(update, { round, kernels, size: params.length, params, client, weight: w }),
    weight,
  );
}

function serverStep(
  { strategy, kernels, params, pipeline, cohortSize, config }: RunSetup,
  state: RoundState,
  stats: RoundStats,
  round: number,
  delta: Float32Array,
): void {
  const noise = pipeline.centralNoise;
  if (noise) {
    const noiseStddev = centralNoiseStddev(noise, cohortSize);
    stats.noiseStddev = noiseStddev;
    if (noise.source === 'secure') createSecureNoise().addNormal(delta, noiseStddev);
    else
      createSimRng(kernels, config.run.seed).addNormal(delta, noiseStddev, {
        purpose: 'noise',
        round,
        entity: kServer,
      });
  }
  stats.serverUpdateNorm = Math.sqrt(kernels.sumSquaresF32(delta));
  if (typeof strategy.aggregate !== 'function')
    strategy.aggregate.serverOptimizer.step(
      kernels,
      params,
      delta,
      state.serverState,
      state.aggregator?.held,
    );
}

async function customAggregate(
  setup: RunSetup,
  _state: RoundState,
  round: number,
  updates: AsyncIterable<ClientUpdate>,
  aggregate: (
    updates: AsyncIterable<ClientUpdate>,
    context: { round: number; kernels: RunSetup['kernels']; size: number; params: Float32Array },
  ) => Promise<Float32Array>,
): Promise<void> {
  const { kernels, params, strategy } = setup;
  let step: Float32Array;
  try {
    step = await aggregate(updates, { round, kernels, size: params.length, params });
  } catch (error) {
    if (error instanceof HeddleError) throw error;
    throw new UserCodeError(`strategy '${strategy.name}'`, round + 1, undefined, error);
  }
  if (!(step instanceof Float32Array) || step.length !== params.length)
    throw new UserResultError(
      `strategy '${strategy.name}'`,
      round + 1,
      'returned no Float32Array of the size of the model',
      'return the step that is added to the global model',
    );
  kernels.axpyF32(params, step, 1);
}
