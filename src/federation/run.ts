/** A run in progress: rounds, events, and the summary at the end. */
import { partitionToJson } from '../data/partition/index.js';
import { HeddleError } from '../errors.js';
import { sha256Hex } from '../platform/hash.js';
import type { Model } from '../program/model.js';
import type { ParamSpec } from '../tensor/param-spec.js';
import { learningRate } from '../train/schedule.js';
import { version } from '../version.js';
import { createClientStateStore } from './client-state.js';
import type { ResolvedConfig } from './config/resolve.js';
import type { SimulateConfig } from './config/schema.js';
import { DivergedError, RunAbortedError, UserResultError } from './errors.js';
import type { EventStream } from './event-stream.js';
import {
  EVENT_SCHEMA,
  METRIC,
  type RunEvent,
  type RunStatus,
  type RunSummary,
  type RunTarget,
} from './events.js';
import type { Host } from './host.js';
import { createMetricsTracker, type MetricsTracker } from './metrics-tracker.js';
import { privacySummary } from './privacy-summary.js';
import { runRound } from './round.js';
import { createRoundState, type RoundState } from './round-state.js';
import { RoundStats } from './round-stats.js';
import { RunTotals } from './run-totals.js';
import { selectCohort } from './sampling.js';
import type { RunSetup } from './setup.js';
import { callUserCode } from './user-code.js';

/** What a run leaves behind. */
export interface SimulationResult {
  readonly summary: RunSummary;
  /** Final and best value of every metric. */
  readonly metrics: RunSummary['metrics'];
  /** SHA-256 of the final float32 parameters in ParamSpec order. */
  readonly fingerprint: string;
  /** The final global model, flat, in the layout of `spec`. */
  readonly params: Float32Array;
  readonly spec: ParamSpec;
}

/** What is known of a run before its first round; for recorders and reports. */
export interface RunInfo {
  readonly config: SimulateConfig;
  readonly model: Model;
  /** Content of partition.json. */
  readonly partition: Record<string, unknown>;
  readonly classes: number;
  /** Examples by class, one row a client. */
  readonly labelCounts: readonly (readonly number[])[];
}

export class Run {
  readonly #state: RoundState;
  readonly #tracker: MetricsTracker;
  readonly #target?: RunTarget;
  readonly #totals: RunTotals;
  #setupSeconds = 0;

  constructor(
    readonly setup: RunSetup,
    readonly resolved: ResolvedConfig,
    readonly host: Host,
    readonly events: EventStream,
    readonly begun: { started: number; clock: number },
    readonly hashes: { configHash: string; kernelBuild: string },
  ) {
    const { targetMetric, targetValue } = setup.config.run;
    this.#target = targetValue === undefined ? undefined : { metric: targetMetric, value: targetValue };
    this.#totals = new RunTotals(begun.clock);
    this.#tracker = createMetricsTracker({ target: this.#target, started: begun.started });
    this.#state = createRoundState(setup, createClientStateStore());
  }

  info(): RunInfo {
    const { partition, config, model } = this.setup;
    const { report } = partition;
    return {
      config,
      model,
      classes: report.classes,
      // Lists as long as the data set: made for those who ask.
      get partition() {
        return partitionToJson(partition);
      },
      get labelCounts() {
        return Array.from({ length: partition.numClients }, (_, k) =>
          Array.from(report.labelCounts.subarray(k * report.classes, (k + 1) * report.classes)),
        );
      },
    };
  }

  async execute(signal?: AbortSignal): Promise<SimulationResult> {
    const { config } = this.setup;
    this.#setupSeconds = (performance.now() - this.begun.clock) / 1000;
    this.#start();
    let status: RunStatus = 'completed';
    try {
      for (let round = 0; round < config.run.numServerRounds; round++) {
        if (signal?.aborted) {
          status = 'interrupted';
          break;
        }
        await this.#round(round);
        if (config.run.stopAtTarget && this.#tracker.reached()) break;
      }
    } catch (error) {
      await this.#end('failed');
      throw await this.#failed(error);
    }
    const fingerprint = await this.#end(status);
    const result = this.#result(status, fingerprint);
    if (status !== 'interrupted') return result;
    const aborted = new RunAbortedError(this.#totals.rounds, undefined, signal?.reason);
    aborted.partial = result;
    throw aborted;
  }

  async #round(round: number): Promise<void> {
    const { setup } = this;
    const { config } = setup;
    const before = performance.now();
    const cohort = this.#select(round);
    const selected = performance.now();
    const lr = learningRate(config.client, round, config.run.numServerRounds);
    const stats = new RoundStats(setup, cohort.length);
    stats.addPhase('select', (selected - before) / 1000);
    try {
      await runRound(setup, this.#state, stats, cohort, round, lr);
    } finally {
      this.#warn(stats, round);
    }
    const metrics = stats.metrics();
    const last = round + 1 === config.run.numServerRounds;
    if (config.eval.central && setup.data.test && ((round + 1) % config.eval.frequency === 0 || last))
      Object.assign(metrics, await this.#evaluate(stats, round));
    this.#finishRound(stats, metrics, round, (performance.now() - before) / 1000);
  }

  #select(round: number): Uint32Array {
    const { strategy, sampling, partition, config, cohortSize } = this.setup;
    const { seed } = config.run;
    if (!strategy.select) return selectCohort(sampling, partition.numClients, seed, round);
    const hook = `select of strategy '${strategy.name}'`;
    const population = partition.numClients;
    const chosen: unknown = callUserCode(hook, round, undefined, () =>
      strategy.select?.({ round, population, cohortSize, seed }),
    );
    const fail = (problem: string): never => {
      const hint = `return a Uint32Array of ascending, different client ids below ${population}`;
      throw new UserResultError(hook, round + 1, problem, hint);
    };
    if (!(chosen instanceof Uint32Array)) return fail('returned no Uint32Array');
    chosen.forEach((client, i) => {
      if (client >= population) fail(`chose client ${client} of ${population}`);
      if (i > 0 && client <= chosen[i - 1]) fail(`chose client ${client} after client ${chosen[i - 1]}`);
    });
    return chosen.slice();
  }

  #warn(stats: RoundStats, round: number): void {
    for (const { client, error } of stats.rejections)
      this.events.push({
        ...this.#base(round + 1),
        event: 'warning',
        code: 'WARN_CLIENT_REJECTED',
        message: error.problem,
        client,
      });
    for (const { client, status, metrics } of stats.rows)
      this.events.push({ ...this.#base(round + 1), event: 'client', client, status, metrics });
  }

  async #evaluate(stats: RoundStats, round: number): Promise<Record<string, number>> {
    const { local, params, data, testIndex, config } = this.setup;
    const { test } = data;
    if (!test) return {};
    const before = performance.now();
    const size = config.eval.batchSize;
    // Fixed chunks, added in order: the figure does not depend on the number of workers.
    const chunks = Array.from({ length: Math.ceil(testIndex.length / size) }, (_, i) =>
      local.evaluate(params, test, testIndex.subarray(i * size, (i + 1) * size), size),
    );
    let lossSum = 0;
    let correct = 0;
    for (const chunk of await Promise.all(chunks)) {
      lossSum += chunk.lossSum;
      correct += chunk.correct;
    }
    stats.addPhase('evaluate', (performance.now() - before) / 1000);
    const loss = lossSum / testIndex.length;
    if (!Number.isFinite(loss) && config.run.onDiverge === 'fail')
      throw new DivergedError(round + 1, `the loss of the global model is ${loss}`);
    return { [METRIC.centralLoss]: loss, [METRIC.centralAccuracy]: correct / testIndex.length };
  }

  #finishRound(stats: RoundStats, metrics: Record<string, number>, round: number, seconds: number): void {
    const detail = stats.detail(round + 1, seconds);
    const outside = detail.phases?.find(({ name }) => name === 'overhead')?.seconds ?? 0;
    this.#totals.add(stats, metrics, seconds, outside + stats.phase('select'));
    this.#totals.merged(detail.merge);
    this.#push({ ...this.#base(round + 1), event: 'round', metrics, detail });
  }

  #base(round: number) {
    return { schema: EVENT_SCHEMA, round, step: round, time: Date.now() / 1000, metrics: {} } as const;
  }

  #push(event: RunEvent): void {
    this.#tracker.add(event);
    this.events.push(event);
  }

  #start(): void {
    const { config, partition, model, backend, workers, cohortSize } = this.setup;
    this.#push({
      ...this.#base(0),
      event: 'start',
      name: config.run.name,
      rounds: config.run.numServerRounds,
      clients: partition.numClients,
      cohortSize,
      parameters: model.spec.size,
      seed: String(config.run.seed),
      backend: backend.backend,
      isa: backend.isa,
      profile: backend.profile,
      workers,
      version,
      ...this.hashes,
      partitionHash: partition.hash,
      target: this.#target,
    });
    for (const warning of this.setup.warnings)
      this.events.push({ ...this.#base(0), event: 'warning', ...warning });
    for (const { message, path } of this.resolved.notes)
      this.events.push({
        ...this.#base(0),
        event: 'warning',
        code: 'WARN_CONFIG_NOTE',
        message: `${path}: ${message}`,
      });
    if (config.eval.central && !this.setup.data.test)
      this.events.push({
        ...this.#base(0),
        event: 'warning',
        code: 'WARN_NO_TEST_DATA',
        message: 'no test data was given, so the global model is not evaluated; pass { train, test } as data',
      });
  }

  async #end(status: RunStatus): Promise<string> {
    const fingerprint = await fingerprintOf(this.setup.params);
    this.#push({ ...this.#base(this.#totals.rounds), event: 'end', status, fingerprint });
    return fingerprint;
  }

  /** The error that ends a failed run carries the result so far, so that a recorder can write it. */
  async #failed(error: unknown): Promise<unknown> {
    if (!(error instanceof HeddleError)) return error;
    const result = this.#result('failed', await fingerprintOf(this.setup.params));
    const { code, hint, problem } = error;
    const summary = { ...result.summary, error: { code, message: problem, hint } };
    return Object.assign(error, { partial: { ...result, summary } });
  }

  #result(status: RunStatus, fingerprint: string): SimulationResult {
    const { config, partition, model, backend, workers, params } = this.setup;
    const metrics = this.#tracker.metrics();
    const summary: RunSummary = {
      schema: EVENT_SCHEMA,
      status,
      name: config.run.name,
      rounds: this.#totals.rounds,
      plannedRounds: config.run.numServerRounds,
      seed: String(config.run.seed),
      parameters: model.spec.size,
      fingerprint,
      ...this.hashes,
      partitionHash: partition.hash,
      backend: backend.backend,
      isa: backend.isa,
      profile: backend.profile,
      workers,
      metrics,
      target: this.#tracker.target(),
      time: this.#totals.time(this.begun.started, this.#setupSeconds),
      comm: this.#totals.comm(),
      privacy: privacySummary(this.setup, this.resolved),
      merge: this.#totals.merge,
      environment: this.host.environment(),
      paths: { folder: '' },
    };
    return { summary, metrics, fingerprint, params: Float32Array.from(params), spec: model.spec };
  }
}

/** SHA-256 over the little-endian float32 bytes of a flat model, hexadecimal. */
export function fingerprintOf(params: Float32Array): Promise<string> {
  return sha256Hex(Float32Array.from(params));
}
