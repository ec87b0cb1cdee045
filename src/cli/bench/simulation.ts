/** `heddle bench simulation`: a published run from start to end, the overhead of the engine itself, and memory. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataset } from '../../data/dataset.js';
import { findMnistFolder } from '../../data/mnist.node.js';
import { HeddleError } from '../../errors.js';
import { METRIC, type RoundEvent, type RunEvent } from '../../federation/events.js';
import { defineModel } from '../../program/model.js';
import { simulate, startSimulation } from '../../report/recorded-simulation.node.js';
import type { Trainer } from '../../train/trainer.js';
import { mean } from './statistics.js';

type Backend = 'auto' | 'native' | 'wasm' | 'reference';

export interface SimulationBenchOptions {
  backend?: Backend;
  isa?: string;
  workers?: number;
  /** Runs of the published workload; the median counts. */
  runs: number;
  onStep?: (text: string) => void;
}

/** FLUTE's mnist-lr: 1000 clients, 10 a round, batch 10, lr 0.03, one epoch, 100 rounds, test every 20. */
export interface PublishedRun {
  backend: string;
  isa: string;
  workers: number;
  images: 'mnist' | 'synthetic';
  /** Wall seconds of each run, data loading and evaluation included. */
  totalSeconds: number[];
  /** The same without loading and partitioning the data. */
  withoutSetupSeconds: number[];
  accuracy: number;
}

/** Rounds whose clients do nothing, with an empty pipeline. */
export interface Overhead {
  parameters: number;
  cohortSize: number;
  clientUpdates: number;
  /** Wall seconds of all rounds over the client updates in them, without the first round. */
  secondsPerUpdate: number;
}

/** Resident memory of a process that runs mnist-lr on the synthetic twin, in MiB. */
export interface Memory {
  rounds: number;
  /** Mean over the 100 rounds before the first 1000 are done, when V8's heap has found its size, and over the last 100. */
  earlyMb: number;
  lateMb: number;
  /** Final resident memory with 100 and with 10,000 clients. */
  with100ClientsMb: number;
  with10000ClientsMb: number;
}

export interface SimulationBenchResult {
  published: PublishedRun;
  overhead: Overhead;
  memory: Memory;
}

export async function benchSimulation(options: SimulationBenchOptions): Promise<SimulationBenchResult> {
  const published = await publishedRun(options);
  options.onStep?.('overhead of rounds whose clients do nothing');
  const overhead = await measureOverhead(options);
  const memory = await measureMemory(options);
  return { published, overhead, memory };
}

const backendSection = ({ backend = 'auto', isa, workers = 0 }: SimulationBenchOptions) => ({
  type: backend,
  isa: isa as 'base' | 'avx2' | 'avx512' | 'neon' | undefined,
  workers,
});

async function publishedRun(options: SimulationBenchOptions): Promise<PublishedRun> {
  const synthetic = !hasMnist();
  const result: PublishedRun = {
    backend: '',
    isa: '',
    workers: 0,
    images: synthetic ? 'synthetic' : 'mnist',
    totalSeconds: [],
    withoutSetupSeconds: [],
    accuracy: Number.NaN,
  };
  for (let run = 0; run < options.runs; run++) {
    options.onStep?.(`mnist-lr, 1000 clients, 10 a round, 100 rounds: run ${run + 1} of ${options.runs}`);
    const { summary } = await simulate({
      data: { task: 'mnist-lr', synthetic },
      backend: backendSection(options),
    });
    const { backend, isa, workers, time, metrics } = summary;
    result.totalSeconds.push(time.totalSeconds);
    result.withoutSetupSeconds.push(time.totalSeconds - time.setupSeconds);
    Object.assign(result, { backend, isa, workers, accuracy: metrics[METRIC.centralAccuracy].final });
  }
  return result;
}

function hasMnist(): boolean {
  try {
    findMnistFolder();
    return true;
  } catch (error) {
    if (error instanceof HeddleError && error.code === 'ERR_DATA_NOT_FOUND') return false;
    throw error;
  }
}

const INPUTS = 999;
const OVERHEAD_COHORT = 100;
const OVERHEAD_ROUNDS = 100;

async function measureOverhead(options: SimulationBenchOptions): Promise<Overhead> {
  const clients = 1000;
  const data = dataset({
    x: new Uint8Array(clients * INPUTS),
    shape: [INPUTS],
    scale: 1 / 255,
    y: Uint8Array.from({ length: clients }, (_, i) => i % 10),
    classes: 10,
    clientOf: Uint32Array.from({ length: clients }, (_, i) => i),
  });
  const model = defineModel({ input: [INPUTS], classes: 10 }, (t, x) =>
    t.dense(x, { units: 10, name: 'fc' }),
  );
  const idle: Trainer = {
    name: 'idle',
    train: async ({ params, index }) => ({
      update: new Float32Array(params.length),
      lossSum: index.length,
      correct: 0,
      examples: index.length,
      steps: 1,
    }),
  };
  const { events, result } = startSimulation({
    run: { numServerRounds: OVERHEAD_ROUNDS },
    data,
    model,
    client: { trainer: idle },
    strategy: { cohortSize: OVERHEAD_COHORT },
    eval: { central: false },
    backend: backendSection(options),
  });
  const rounds = await roundsOf(events);
  await result;
  // The first round also compiles.
  const seconds = rounds.slice(1).reduce((sum, { metrics }) => sum + metrics[METRIC.roundSeconds], 0);
  const clientUpdates = (rounds.length - 1) * OVERHEAD_COHORT;
  return {
    parameters: model.spec.size,
    cohortSize: OVERHEAD_COHORT,
    clientUpdates,
    secondsPerUpdate: seconds / clientUpdates,
  };
}

async function roundsOf(events: AsyncIterable<RunEvent>): Promise<RoundEvent[]> {
  const rounds: RoundEvent[] = [];
  for await (const event of events) if (event.event === 'round') rounds.push(event);
  return rounds;
}

const MEMORY_ROUNDS = 2000;
const SETTLED_ROUNDS = 1000;

/** Each run in a process of its own: what one leaves behind must not count for the next. */
async function measureMemory(options: SimulationBenchOptions): Promise<Memory> {
  options.onStep?.(`resident memory over ${MEMORY_ROUNDS} rounds with 100 clients`);
  const long = await residentMb(100, MEMORY_ROUNDS, options);
  options.onStep?.('resident memory with 10,000 clients');
  const many = await residentMb(10_000, 100, options);
  return {
    rounds: MEMORY_ROUNDS - SETTLED_ROUNDS,
    earlyMb: mean(long.slice(SETTLED_ROUNDS - 100, SETTLED_ROUNDS)),
    lateMb: mean(long.slice(-100)),
    with100ClientsMb: long[99],
    with10000ClientsMb: many[99],
  };
}

/** Resident memory after each round, in MiB, of a run in a child process that also writes its run folder. */
async function residentMb(
  clients: number,
  rounds: number,
  { backend, isa, workers }: SimulationBenchOptions,
): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-bench-'));
  try {
    const command = fileURLToPath(new URL('../../../bin/heddle.js', import.meta.url));
    const flags = [
      ...(backend === undefined ? [] : ['--backend', backend]),
      ...(isa === undefined ? [] : ['--isa', isa]),
      ...(workers === undefined ? [] : ['--workers', String(workers)]),
    ];
    const changes = [
      `run.num-server-rounds=${rounds}`,
      `data.partitioner.num-partitions=${clients}`,
      // As many examples a client whatever their number, so that only the number differs.
      'client={local-steps: 1, batch-size: 6}',
      'eval.frequency=1000000',
      'log.sinks=[jsonl]',
      'report.html=false',
    ];
    const args = [
      ...['simulate', 'mnist-lr', '--synthetic', '--quiet', '--json', '--runs-dir', folder, ...flags],
      ...changes.flatMap((change) => ['-c', change]),
    ];
    const summary = JSON.parse(await outputOf([command, ...args])) as { paths: { folder: string } };
    const lines = (await readFile(join(summary.paths.folder, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    return lines
      .map((line) => JSON.parse(line) as RunEvent)
      .filter((event) => event.event === 'round')
      .map(({ metrics }) => metrics[METRIC.rssMb]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function outputOf(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
}
