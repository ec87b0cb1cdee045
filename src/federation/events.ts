/**
 * What a run tells the world while it goes on, and what it leaves behind when it ends.
 *
 * Every consumer (run folder, terminal, report page, a caller's own `for await`) reads these types and nothing else.
 * In files, keys are written in kebab-case (`configHash` as `config-hash`) and non-finite numbers as the strings "NaN",
 * "Infinity" and "-Infinity"; metric names are written as they stand. `src/report/jsonl.ts` does both directions.
 */

/** Version of the event and summary shapes; raised when a reader of the old shape would misread the new one. */
export const EVENT_SCHEMA = 1;

/** Metric names; the same string is the JSONL key, the CSV column and the TensorBoard tag. */
export const METRIC = {
  /** Cohort mean during local training, weighted by examples. */
  trainLoss: 'train/loss',
  trainAccuracy: 'train/accuracy',
  /** Local loss after training. */
  trainLossAfter: 'train/loss-after',
  /** Global model on central data; accuracy in [0, 1]. */
  centralLoss: 'central-val/loss',
  centralAccuracy: 'central-val/accuracy',
  /** Global model on the clients' own data; `.p10`, `.p50`, `.p90` and `.worst` may be appended. */
  fedLoss: 'fed-val/loss',
  fedAccuracy: 'fed-val/accuracy',
  /** L2 norms of the decoded client updates before the server's clip, in the units of the weights. */
  updateNormMean: 'update/norm-mean',
  updateNormMax: 'update/norm-max',
  /** Mean cosine between a client's update and the aggregate. */
  updateCosineMean: 'update/cosine-mean',
  /** Share of the cohort whose update was clipped, in [0, 1]. */
  clipFraction: 'update/clip-frac',
  serverUpdateNorm: 'server/update-norm',
  /** Of Model Stock: interpolation ratio t in [0, 1], and angle between the clients in degrees; means over the parameters. */
  mergeRatioMean: 'merge/t-mean',
  mergeAngleMean: 'merge/angle-mean',
  serverLr: 'server/lr',
  /** Budget spent up to and with this round. */
  epsilon: 'privacy/epsilon',
  delta: 'privacy/delta',
  /** Standard deviation of the noise on one coordinate of the averaged update. */
  noiseStddev: 'privacy/noise-std',
  snr: 'privacy/snr',
  clientsSelected: 'clients/selected',
  clientsReported: 'clients/reported',
  clientsDropped: 'clients/dropped',
  clientsLate: 'clients/late',
  clientsFailed: 'clients/failed',
  /** Encoded bytes of this round, and of the run so far. */
  upBytes: 'comm/up-bytes',
  downBytes: 'comm/down-bytes',
  upBytesTotal: 'comm/up-bytes-total',
  downBytesTotal: 'comm/down-bytes-total',
  /** Virtual time and energy of simulated conditions. */
  simTime: 'sim/time-s',
  simRound: 'sim/round-s',
  simEnergy: 'sim/energy-j',
  /** Wall time, seconds unless the name says minutes. */
  roundSeconds: 'time/round-s',
  averageRoundSeconds: 'time/avg-round-s',
  totalMinutes: 'time/total-min',
  trainSeconds: 'time/train-s',
  aggregateSeconds: 'time/aggregate-s',
  evalSeconds: 'time/eval-s',
  /** Share of the round spent outside kernels, in [0, 1]. */
  overheadFraction: 'time/overhead-frac',
  clientsPerSecond: 'perf/clients-per-s',
  examplesPerSecond: 'perf/examples-per-s',
  gflops: 'perf/gflops',
  rssMb: 'mem/rss-mb',
  arenaMb: 'mem/arena-mb',
} as const;

/** A metric known to the engine, or a name of the user's own (a lower-case path such as `my/score`). */
export type MetricName = (typeof METRIC)[keyof typeof METRIC] | (string & {});

/** Values by metric name. A metric that was not measured is absent, never 0. */
export type Metrics = Readonly<Record<string, number>>;

/** Distribution of the decoded client updates' L2 norms before the server's clip, in the units of the weights. */
export interface NormDetail {
  p10: number;
  p50: number;
  p90: number;
  /** Clip bound in force this round; absent when nothing clips. */
  maxNorm?: number;
  /** Share of the reporting clients that were clipped, in [0, 1]. */
  clipFraction?: number;
}

/** Bytes that one pipeline stage put on the wire this round, over the whole cohort. All entries sum to the traffic. */
export interface StageBytes {
  /** The stage's name in the pipeline (`fisher-dropout`, `quantize`), or `dense` for untouched float32 values. */
  name: string;
  direction: 'upload' | 'download';
  bytes: number;
}

/** Wall seconds of one phase of the round; all entries sum to `time/round-s`. */
export interface PhaseSeconds {
  /** `select`, `train`, `encode`, `aggregate`, `evaluate`, `overhead`, or a name of the scheduler's own. */
  name: string;
  seconds: number;
}

/** How many clients of the cohort held each neuron of one unit group under a sub-model stage. */
export interface UnitGroupHolders {
  /** Unit group as the ParamSpec names it, for example `fc1.out`. */
  name: string;
  /** One count a neuron, in neuron order. */
  counts: readonly number[];
}

/** What a merge rule found out about one tensor. */
export interface MergedTensor {
  name: string;
  /**
   * By rule. Model Stock: ratio `t`, mean `cosine` of two updates and its `angle` in degrees (means over rows where it works by filters).
   * RegMean: `ridge`, what was added to the diagonal of a singular system, else 0.
   */
  values: Readonly<Record<string, number>>;
}

/** How a merge rule came to the step of a round. */
export interface MergeDetail {
  /** Name of the reduction, as `model-stock`. */
  rule: string;
  /** Index of the period between two merges, from 1: the round. */
  period: number;
  /** Which model the clients were placed around, and the SHA-256 of its parameters. */
  anchor?: 'previous' | 'initial';
  anchorHash?: string;
  tensors: readonly MergedTensor[];
}

/** Figures of a round that are not scalars: what the report plots beyond the metrics. Every part is optional. */
export interface RoundDetail {
  norms?: NormDetail;
  bytes?: readonly StageBytes[];
  /** What the same messages would have cost as dense float32 both ways, in bytes. */
  denseBytes?: number;
  phases?: readonly PhaseSeconds[];
  holders?: readonly UnitGroupHolders[];
  merge?: MergeDetail;
}

interface RunEventBase {
  schema: typeof EVENT_SCHEMA;
  /** Rounds completed when the event was made; the initial model is round 0, the first round is 1. */
  round: number;
  /** Step shown by TensorBoard; equals `round` in synchronous runs. */
  step: number;
  /** Unix time in seconds, with fraction. */
  time: number;
  metrics: Metrics;
}

/** First event of a run. */
export interface StartEvent extends RunEventBase {
  event: 'start';
  name: string;
  /** Planned number of rounds. */
  rounds: number;
  clients: number;
  cohortSize: number;
  /** Length of the flat weight vector. */
  parameters: number;
  seed: string;
  backend: string;
  isa: string;
  profile: string;
  workers: number;
  /** Version of the engine. */
  version: string;
  configHash: string;
  partitionHash: string;
  kernelBuild: string;
  target?: RunTarget;
}

/** One finished round, with everything measured in it, evaluation included. */
export interface RoundEvent extends RunEventBase {
  event: 'round';
  detail?: RoundDetail;
}

/** An evaluation outside a round: of the initial model (round 0) or once more at the end. */
export interface EvalEvent extends RunEventBase {
  event: 'eval';
}

/** Something a person should know; the run goes on. */
export interface WarningEvent extends RunEventBase {
  event: 'warning';
  /** Stable, upper snake case, as `WARN_CLIENT_REJECTED`. */
  code: string;
  message: string;
  client?: number;
}

/** One client's round; made only when client metrics are asked for. */
export interface ClientEvent extends RunEventBase {
  event: 'client';
  client: number;
  status: 'reported' | 'dropped' | 'late' | 'failed' | 'rejected';
}

/** Last event of a run, however it ended. */
export interface EndEvent extends RunEventBase {
  event: 'end';
  status: RunStatus;
  /** SHA-256 of the final float32 parameters in ParamSpec order, hex. */
  fingerprint: string;
}

export type RunEvent = StartEvent | RoundEvent | EvalEvent | WarningEvent | ClientEvent | EndEvent;

export type RunStatus = 'completed' | 'interrupted' | 'failed';

/** A metric and the value that counts as reaching the goal. */
export interface RunTarget {
  metric: MetricName;
  value: number;
}

/** One metric over the run. `best` is the largest value for metrics that should grow, else the smallest. */
export interface MetricSummary {
  final: number;
  best: number;
  bestRound: number;
}

/** What may be said about privacy, never rounded in the user's favour. */
export interface PrivacySummary {
  /** `Infinity` when there is no guarantee. */
  epsilon: number;
  delta?: number;
  guarantee: 'none' | 'epsilon-delta';
  /** Why there is no guarantee, one clause each; empty when there is one. */
  reasons: readonly string[];
  /** What noise was added, in words; empty when none was. */
  noise: string;
}

/** The machine and the software of a run: no user name, no environment variables, no addresses. */
export interface RunEnvironment {
  heddle: string;
  /** JavaScript runtime and version, as `node 20.17.0`. */
  runtime: string;
  platform: string;
  arch: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
}

/** Files of the run folder, relative to `folder`; those not written are absent. */
export interface RunPaths {
  folder: string;
  model?: string;
  report?: string;
  metrics?: string;
  csv?: string;
  tensorboard?: string;
  summary?: string;
}

/** Content of `summary.json`, and what a finished run resolves to. */
export interface RunSummary {
  schema: typeof EVENT_SCHEMA;
  status: RunStatus;
  name: string;
  /** Rounds completed. */
  rounds: number;
  plannedRounds: number;
  seed: string;
  parameters: number;
  fingerprint: string;
  configHash: string;
  partitionHash: string;
  kernelBuild: string;
  backend: string;
  isa: string;
  profile: string;
  workers: number;
  metrics: Readonly<Record<string, MetricSummary>>;
  target?: RunTarget & {
    /** Absent when the target was not reached. */
    roundsToTarget?: number;
    secondsToTarget?: number;
  };
  time: {
    /** Unix seconds. */
    started: number;
    totalSeconds: number;
    setupSeconds: number;
    /** Share of the rounds' wall time spent outside kernels, in [0, 1]. */
    overheadFraction: number;
    /** Client updates a second, without the first round. */
    clientsPerSecond: number;
  };
  comm: {
    upBytes: number;
    downBytes: number;
    /** The same exchange as dense float32. */
    denseBytes: number;
    /** (up + down) / dense; below 1 is a saving. */
    ratio: number;
  };
  privacy: PrivacySummary;
  /** Periodic merging: how many periods there were, and which model the clients of the last one were placed around. */
  merge?: Omit<MergeDetail, 'period' | 'tensors'> & { periods: number };
  environment: RunEnvironment;
  paths: RunPaths;
  /** Present when `status` is `failed`. */
  error?: { code: string; message: string; hint: string };
}

/** Whether a larger value of the metric is better; losses, norms, times and bytes are better small. */
export function largerIsBetter(metric: MetricName): boolean {
  return /(accuracy|auc|f1|score|cosine-mean|snr|per-s|gflops)(\.\w+)?$/.test(metric);
}
