/** One round: clients train in parallel, their updates pass the pipeline and the reduction in cohort order. */
import type { Aggregator } from '../combine/aggregator.js';
import { StatisticsRejectedError, UpdateRejectedError } from '../combine/errors.js';
import type { ClientStatistics, GatheringContext, GatheringReducer } from '../combine/reducers.js';
import { type HeddleError, InvalidArgumentError } from '../errors.js';
import { sha256Hex } from '../platform/hash.js';
import { type RejectedClient, type TrainedClient, trainClient } from './client-job.js';
import { checkStatistics, statisticsBytes } from './client-statistics.js';
import { DivergedError, TooFewReportsError, UserResultError } from './errors.js';
import { inOrder } from './reorder.js';
import { clientWeight, type RoundState } from './round-state.js';
import type { RoundStats } from './round-stats.js';
import { addCentralNoise, checkModel, serverStep } from './server-step.js';
import type { RunSetup } from './setup.js';
import type { AggregateFunction, ClientUpdate } from './strategies/strategy.js';
import { asUserCodeError, callUserCode } from './user-code.js';

/** A decoded update with the mask of what its client held and what it measured, where the reduction wants them. */
type DecodedUpdate = ClientUpdate & { readonly mask?: Uint8Array; readonly statistics?: ClientStatistics };

/**
 * Runs a round and steps the global model in place. A round that fails leaves the model as it was, unless the step itself was
 * what left the finite numbers.
 *
 * @param stats - filled as the round goes on, so that a failed one still tells whom it rejected.
 * @param round - from 0. @param lr - local learning rate.
 */
export async function runRound(
  setup: RunSetup,
  state: RoundState,
  stats: RoundStats,
  cohort: Uint32Array,
  round: number,
  lr: number,
): Promise<void> {
  const { aggregate } = setup.strategy;
  const before = performance.now();
  const outcomes = inOrder(cohort.length, 2 * setup.workers, (slot) =>
    trainClient(setup, state.clients, cohort[slot], round, lr),
  );
  const wantMask = typeof aggregate !== 'function' && aggregate.reduce.kind === 'streaming';
  const updates = decoded(setup, stats, round, outcomes, wantMask && aggregate.reduce.wantsMask);
  try {
    if (typeof aggregate === 'function') await callAggregate(setup, stats, round, updates, aggregate);
    else if (state.aggregator) await stream(setup, state, state.aggregator, stats, round, updates);
    else if (aggregate.reduce.kind === 'gathering')
      await gather(setup, state, stats, round, updates, aggregate.reduce);
    else throw new InvalidArgumentError('round', 'aggregator', 'made for a streaming reduction', undefined);
  } finally {
    // A strategy may stop reading early: what still runs must not see the next round's model.
    await outcomes.return(undefined);
    stats.sectionEnds(before);
  }
  checkModel(setup, round);
}

/** Updates after encode and decode, in cohort order; clients that cannot be used are counted and left out. */
async function* decoded(
  setup: RunSetup,
  stats: RoundStats,
  round: number,
  outcomes: AsyncIterable<{ slot: number; result: TrainedClient | RejectedClient }>,
  wantMask: boolean,
): AsyncGenerator<DecodedUpdate> {
  for await (const { slot, result: outcome } of outcomes) {
    const { client } = outcome;
    if ('rejected' in outcome) {
      reject(setup, stats, client, outcome.rejected);
      continue;
    }
    const { delivery, context, result, statistics } = outcome;
    stats.addDelivery(delivery);
    let next: DecodedUpdate;
    try {
      checkLoss(setup, result.lossSum, client, round);
      const start = performance.now();
      const receipt = setup.pipeline.receive(result.update, delivery, context, wantMask);
      stats.addPhase('encode', (performance.now() - start) / 1000);
      if (statistics) checkStatistics(setup.kernels, statistics, client);
      stats.addClient(client, result, receipt.wire, statistics && statisticsBytes(statistics));
      const weight = clientWeight(setup, context.nExamples);
      next = { client, slot, update: receipt.update, weight, mask: receipt.mask, statistics };
    } catch (error) {
      if (!isRejection(setup, error)) throw error;
      reject(setup, stats, client, error);
      continue;
    }
    yield next;
  }
}

/** A loss that left the finite numbers ends the run, or this client's part, where `run.on-diverge` says so. */
function checkLoss({ config }: RunSetup, lossSum: number, client: number, round: number): void {
  if (Number.isFinite(lossSum) || config.run.onDiverge === 'continue') return;
  throw new DivergedError(round + 1, `the training loss of client ${client} is ${lossSum}`);
}

function isRejection({ config }: RunSetup, error: unknown): error is HeddleError {
  if (error instanceof DivergedError) return config.run.onDiverge === 'skip-client';
  return error instanceof UpdateRejectedError || error instanceof StatisticsRejectedError;
}

/** A slot without an update adds nothing: skipping it is the identity of the ordered sum. */
function reject({ config }: RunSetup, stats: RoundStats, client: number, error: HeddleError): void {
  stats.reject(client, error);
  if (config.log.clientMetrics === 'all') stats.clientRow(client, 'rejected', {});
}

/** Fewer reports than asked for end the run, but for clients that diverged where the configuration lets them. */
function checkReports({ config }: RunSetup, stats: RoundStats, round: number): void {
  const { minReports } = config.strategy;
  if (stats.reported >= minReports || stats.selected === 0) return;
  const codes = ['ERR_UPDATE_NOT_FINITE', 'ERR_STATISTICS_NOT_FINITE', 'ERR_DIVERGED'];
  const diverged = stats.rejections.some(({ error }) => codes.includes(error.code));
  if (config.run.onDiverge !== 'fail' && diverged) return;
  throw new TooFewReportsError(round + 1, stats.reported, minReports, stats.rejections[0]?.error.problem);
}

async function stream(
  setup: RunSetup,
  state: RoundState,
  aggregator: Aggregator,
  stats: RoundStats,
  round: number,
  updates: AsyncIterable<DecodedUpdate>,
): Promise<void> {
  for await (const { client, slot, update, weight, mask } of updates) {
    const start = performance.now();
    try {
      const transformed = transform(setup, round, client, update, weight);
      const { norm, clipped } = aggregator.add(update, { weight: transformed, slot, client, mask });
      stats.addNorm(norm, clipped);
    } catch (error) {
      if (!(error instanceof UpdateRejectedError)) throw error;
      stats.unreport(client);
      reject(setup, stats, client, error);
    }
    stats.addPhase('aggregate', (performance.now() - start) / 1000);
  }
  checkReports(setup, stats, round);
  stats.timed('aggregate', () => {
    aggregator.finish(state.delta);
    serverStep(setup, state, stats, round);
  });
}

async function gather(
  setup: RunSetup,
  state: RoundState,
  stats: RoundStats,
  round: number,
  updates: AsyncIterable<DecodedUpdate>,
  reduce: GatheringReducer,
): Promise<void> {
  const all: Float32Array[] = [];
  const weights: number[] = [];
  const measured: ClientStatistics[] = [];
  for await (const { client, update, weight, statistics } of updates) {
    const own = update.slice();
    const transformed = transform(setup, round, client, own, weight);
    if (!admit(setup, stats, client, own)) continue;
    all.push(own);
    weights.push(transformed);
    if (statistics) measured.push(statistics);
  }
  checkReports(setup, stats, round);
  if (reduce.anchor && all.length > 0)
    stats.anchor = { model: reduce.anchor, hash: await anchorHash(setup, state, reduce.anchor) };
  stats.timed('aggregate', () => {
    const { delta } = state;
    const { kernels, params, model, config } = setup;
    const context: GatheringContext = {
      kernels,
      tensors: model.spec.entries,
      params,
      initial: state.initial,
      seed: config.run.seed,
      round,
      statistics: measured,
      report: (tensor, values) => stats.reportTensor(tensor, values),
    };
    if (all.length === 0) delta.fill(0);
    else
      callUserCode(`reduction '${reduce.name}'`, round, undefined, () =>
        reduce.reduce(delta, all, weights, 0, delta.length, context),
      );
    serverStep(setup, state, stats, round);
  });
}

/** SHA-256 of the parameters of w_0, as a run's fingerprint is. */
function anchorHash(
  { params }: RunSetup,
  { initial }: RoundState,
  anchor: 'previous' | 'initial',
): Promise<string> {
  return sha256Hex(Float32Array.from(anchor === 'initial' && initial ? initial : params));
}

/** The server's own clip, in place; false for an update that is not finite, which is then rejected. */
function admit(setup: RunSetup, stats: RoundStats, client: number, update: Float32Array): boolean {
  const { kernels, pipeline } = setup;
  const { maxNorm } = pipeline;
  const norm =
    maxNorm === undefined
      ? Math.sqrt(kernels.sumSquaresF32(update))
      : kernels.clipInPlaceF32(update, maxNorm);
  if (!Number.isFinite(norm)) {
    stats.unreport(client);
    reject(setup, stats, client, new UpdateRejectedError(String(client), 'not-finite', norm));
    return false;
  }
  stats.addNorm(norm, maxNorm !== undefined && norm > maxNorm);
  return true;
}

function transform(
  { strategy, kernels, params }: RunSetup,
  round: number,
  client: number,
  update: Float32Array,
  weight: number,
): number {
  if (typeof strategy.aggregate === 'function') return weight;
  let result = weight;
  for (const each of strategy.aggregate.transforms) {
    const context = { round, kernels, size: params.length, params, client, weight: result };
    result = callUserCode(`transform '${each.name}'`, round, client, () => each.apply(update, context));
  }
  return result;
}

/** A strategy that is a function: it gets clipped, finite updates and returns the step. */
async function callAggregate(
  setup: RunSetup,
  stats: RoundStats,
  round: number,
  updates: AsyncIterable<DecodedUpdate>,
  aggregate: AggregateFunction,
): Promise<void> {
  const { kernels, params, strategy } = setup;
  async function* admitted(): AsyncGenerator<ClientUpdate> {
    for await (const { client, slot, update, weight } of updates)
      if (admit(setup, stats, client, update)) yield { client, slot, update, weight };
  }
  const hook = `aggregate of strategy '${strategy.name}'`;
  let step: Float32Array;
  try {
    step = await aggregate(admitted(), { round, kernels, size: params.length, params });
  } catch (error) {
    throw asUserCodeError(hook, round, undefined, error);
  }
  if (!(step instanceof Float32Array) || step.length !== params.length)
    throw new UserResultError(
      hook,
      round + 1,
      'returned no Float32Array of the size of the model',
      'return the step that is added to the global model',
    );
  checkReports(setup, stats, round);
  const delta = Float32Array.from(step);
  addCentralNoise(setup, stats, round, delta);
  stats.serverUpdateNorm = Math.sqrt(kernels.sumSquaresF32(delta));
  kernels.axpyF32(params, delta, 1);
}
