/** A made-up run with the shape of a real one: what the report and the sinks are tried on. */
import type {
  RoundDetail,
  RoundEvent,
  RunEnvironment,
  RunEvent,
  RunSummary,
} from '../../src/federation/events.js';
import { createMetricsTracker } from '../../src/federation/metrics-tracker.js';
import type { PartitionReport, ReportData } from '../../src/report/report-data.js';

export const environment: RunEnvironment = {
  heddle: '0.1.0',
  runtime: 'node 20.20.2',
  platform: 'linux',
  arch: 'x64',
  cpu: 'AMD EPYC 7763',
  cores: 2,
  memoryBytes: 8 * 2 ** 30,
};

const START = 1_700_000_000;
const TARGET = { metric: 'central-val/accuracy', value: 0.9 } as const;

/** Repeatable scatter in [0, 1): an integer hash, so that neighbours look unrelated. */
function scatter(i: number): number {
  let h = Math.imul(Math.round(i * 1000) ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

export function fakeRun(options: { rounds: number; name?: string; detail?: boolean }): RunEvent[] {
  const { rounds, name = 'mnist-2nn-protected', detail = true } = options;
  const common = { schema: 1 as const, metrics: {} };
  const events: RunEvent[] = [
    {
      ...common,
      event: 'start',
      round: 0,
      step: 0,
      time: START,
      name,
      rounds,
      clients: 100,
      cohortSize: 10,
      parameters: 199_210,
      seed: '0',
      backend: 'native',
      isa: 'avx2',
      profile: 'fma',
      workers: 2,
      version: '0.1.0',
      configHash: 'c'.repeat(64),
      partitionHash: 'd'.repeat(64),
      kernelBuild: 'e'.repeat(64),
      target: TARGET,
    },
    {
      ...common,
      event: 'eval',
      round: 0,
      step: 0,
      time: START + 0.4,
      metrics: { 'central-val/accuracy': 0.098, 'central-val/loss': 2.31 },
    },
  ];
  for (let round = 1; round <= rounds; round++) events.push(fakeRound(round, detail));
  if (rounds > 20)
    events.push({
      ...common,
      event: 'warning',
      round: 17,
      step: 17,
      time: START + 4,
      code: 'WARN_CLIENT_REJECTED',
      message: 'the update of client 63 held NaN and was left out',
      client: 63,
    });
  events.push({
    ...common,
    event: 'end',
    round: rounds,
    step: rounds,
    time: START + 0.4 + rounds * 0.21,
    status: 'completed',
    fingerprint: 'f'.repeat(64),
  });
  return events;
}

function fakeRound(round: number, withDetail: boolean): RoundEvent {
  const wobble = (scatter(round) - 0.5) * 0.05 * Math.exp(-round / 60);
  const accuracy = 0.945 - 0.75 * Math.exp(-round / 14) + wobble;
  const p50 = 2.6 * Math.exp(-round / 80) + 0.2 * scatter(round * 3);
  const clipFraction = Math.round(10 * Math.min(1, Math.max(0, p50 - 1.2))) / 10;
  const seconds = round === 1 ? 0.42 : 0.18 + 0.04 * scatter(round * 7);
  const fresh = round % 5 === 1;
  const denseBytes = 2 * 10 * 4 * 199_210;
  const bytes: RoundDetail['bytes'] = [
    { name: 'fisher-dropout', direction: 'download', bytes: Math.round(denseBytes * (fresh ? 0.5 : 0.3)) },
    { name: 'quantize', direction: 'upload', bytes: Math.round(denseBytes * 0.075) },
    { name: 'fisher-dropout', direction: 'upload', bytes: fresh ? 2_600 : 0 },
  ];
  const total = (direction: string): number =>
    bytes.filter((b) => b.direction === direction).reduce((sum, b) => sum + b.bytes, 0);
  return {
    schema: 1,
    event: 'round',
    round,
    step: round,
    time: START + 0.4 + round * 0.21,
    metrics: {
      'train/loss': 2.1 * Math.exp(-round / 18) + 0.12 + 0.05 * scatter(round * 5),
      'train/accuracy': Math.min(0.99, accuracy + 0.02),
      'central-val/loss': 2.2 * Math.exp(-round / 16) + 0.19 + Math.abs(wobble),
      'central-val/accuracy': accuracy,
      'update/norm-mean': p50,
      'update/norm-max': p50 * 1.6,
      'update/clip-frac': clipFraction,
      'clients/reported': 10,
      'comm/up-bytes': total('upload'),
      'comm/down-bytes': total('download'),
      'time/round-s': seconds,
      'time/overhead-frac': 0.06,
      'perf/clients-per-s': 10 / seconds,
    },
    detail: withDetail
      ? {
          norms: { p10: p50 * 0.75, p50, p90: p50 * 1.35, maxNorm: 2, clipFraction },
          bytes,
          denseBytes,
          phases: [
            { name: 'train', seconds: seconds * 0.72 },
            { name: 'encode', seconds: seconds * 0.06 },
            { name: 'aggregate', seconds: seconds * 0.05 },
            { name: 'evaluate', seconds: seconds * 0.11 },
            { name: 'overhead', seconds: seconds * 0.06 },
          ],
          holders: ['fc1.out', 'fc2.out'].map((group, g) => ({
            name: group,
            counts: Array.from({ length: 200 }, (_, neuron) => {
              const popularity = 4 + 6 * scatter(neuron * 13 + g * 101) ** 0.7;
              return Math.min(
                10,
                Math.max(0, Math.round(popularity + 2 * scatter(neuron + (round / 5) * 31) - 1)),
              );
            }),
          })),
        }
      : undefined,
  };
}

export function fakeSummary(events: readonly RunEvent[]): RunSummary {
  const start = events.find((event) => event.event === 'start');
  if (start === undefined) throw new Error('a fake run begins with a start event');
  const tracker = createMetricsTracker({ target: start.target, started: START });
  let upBytes = 0;
  let downBytes = 0;
  for (const event of events) {
    tracker.add(event);
    upBytes += event.metrics['comm/up-bytes'] ?? 0;
    downBytes += event.metrics['comm/down-bytes'] ?? 0;
  }
  const denseBytes = start.rounds * 2 * 10 * 4 * start.parameters;
  return {
    schema: 1,
    status: 'completed',
    name: start.name,
    rounds: start.rounds,
    plannedRounds: start.rounds,
    seed: start.seed,
    parameters: start.parameters,
    fingerprint: 'f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f',
    configHash: start.configHash,
    partitionHash: start.partitionHash,
    kernelBuild: start.kernelBuild,
    backend: start.backend,
    isa: start.isa,
    profile: start.profile,
    workers: start.workers,
    metrics: tracker.metrics(),
    target: tracker.target(),
    time: {
      started: START,
      totalSeconds: 0.6 + start.rounds * 0.21,
      setupSeconds: 0.4,
      overheadFraction: 0.06,
      clientsPerSecond: 49.7,
    },
    comm: { upBytes, downBytes, denseBytes, ratio: (upBytes + downBytes) / denseBytes },
    privacy: {
      epsilon: Number.POSITIVE_INFINITY,
      guarantee: 'none',
      reasons: ['noise from the simulation generator', 'the FisherDropout choice is unaccounted'],
      noise: 'noise as for a cohort of 1000, seeded',
    },
    environment,
    paths: { folder: 'runs/x' },
  };
}

/** 100 clients with two of ten classes each, as the shard partition makes them. */
export function fakePartition(clients = 100): PartitionReport {
  return {
    classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    clients: Array.from({ length: clients }, (_, id) => {
      const counts = new Array<number>(10).fill(0);
      counts[Math.floor(scatter(id) * 10)] += 300;
      counts[Math.floor(scatter(id * 7 + 3) * 10)] += 180 + Math.round(120 * scatter(id * 11));
      return { id, counts };
    }),
  };
}

export function fakeReport(options: { rounds: number; name?: string; detail?: boolean }): ReportData {
  const events = fakeRun(options);
  return {
    events,
    summary: fakeSummary(events),
    partition: fakePartition(),
    configDifferences: [
      { path: 'run.name', value: 'mnist-2nn-protected', default: undefined },
      { path: 'run.target-value', value: 0.9, default: undefined },
      { path: 'client.lr', value: 0.1, default: 0.01 },
      {
        path: 'update.pipeline',
        value: [
          { 'fisher-dropout': { rates: [0, 0.25, 0.5], selection: 'private-fisher', 'refresh-every': 5 } },
          { clip: { 'max-norm': 2 } },
          { quantize: { format: 'int8', block: 256 } },
          { 'gaussian-noise': { where: 'server', 'noise-multiplier': 1 } },
        ],
        default: [],
      },
      { path: 'privacy.unaccounted', value: 'allow', default: 'refuse' },
    ],
    command: 'npx heddle simulate examples/mnist.yaml --seed 0',
  };
}
