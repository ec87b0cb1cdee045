/** Benches as people read them. */
import { cpus } from 'node:os';
import { kernelBuildId } from '../../kernels/build-id.js';
import type { Kernels } from '../../kernels/kernels.js';
import { platform } from '../../platform/node.js';
import { formatNumber, formatPercent } from '../../report/format.js';
import { version } from '../../version.js';
import type { Colors } from '../output.js';
import { plainTable } from '../plain-table.js';
import type { KernelBenchResult, KernelRow } from './kernels.js';
import type { SimulationBenchResult } from './simulation.js';
import { median, type PairedRatio } from './statistics.js';
import type { TrainingBenchResult } from './training.js';

/** What a figure depends on; printed with every bench, so that runs can be compared. */
export interface Machine {
  heddle: string;
  kernelBuild: string;
  node: string;
  cpu: string;
  threads: number;
  platform: string;
  backends: string[];
}

export async function describeMachine(backends: readonly Kernels[]): Promise<Machine> {
  return {
    heddle: version,
    kernelBuild: await kernelBuildId(),
    node: process.versions.node,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: platform.availableParallelism(),
    platform: `${process.platform} ${process.arch}`,
    backends: backends.map(({ backend, isa, profile }) => `${backend} ${isa} (${profile})`),
  };
}

export function machineLine(machine: Machine): string {
  return `${machine.cpu}, ${machine.threads} threads, ${machine.platform}, node ${machine.node}; ${machine.backends.join(', ')}`;
}

/** 12.3 ns, 4.5 µs, 6.7 ms, 8.9 s. */
export function formatTime(seconds: number): string {
  const units: [number, string][] = [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
    [1e-9, 'ns'],
  ];
  const [scale, unit] = units.find(([size]) => seconds >= size) ?? units[3];
  return `${formatNumber(seconds / scale)} ${unit}`;
}

export function kernelTable(result: KernelBenchResult, machine: Machine, colors: Colors): string {
  const rows = result.rows.map((row) => [
    row.kernel,
    row.size,
    `${row.backend} ${row.isa}`,
    formatTime(row.medianSeconds),
    `±${formatPercent(row.spread)}`,
    rateText(row),
    row.ofCeiling ? `${formatNumber(row.ofCeiling.median, 2)} of ${row.ofCeiling.ceiling}` : '',
    againstText(row, colors),
  ]);
  const lines = [
    machineLine(machine),
    '',
    plainTable(
      ['kernel', 'size', 'back end', 'median', 'spread', 'rate', 'of ceiling', 'x wasm'],
      rows,
      3,
      colors,
    ),
  ];
  const { copy, read } = result.ceilings;
  if (Number.isFinite(copy) || Number.isFinite(read))
    lines.push('', `plain copy ${formatNumber(copy)} GB/s, plain read ${formatNumber(read)} GB/s`);
  for (const { kernel, backend, difference } of result.failed)
    lines.push(
      `${colors.red('✗')} ${kernel} on ${backend} differs from the reference and was not timed: ${difference}`,
    );
  return lines.join('\n');
}

function rateText(row: KernelRow): string {
  if (row.gigaflopsPerSecond !== undefined) return `${formatNumber(row.gigaflopsPerSecond)} GFLOP/s`;
  return row.gigabytesPerSecond === undefined ? '' : `${formatNumber(row.gigabytesPerSecond)} GB/s`;
}

function againstText({ againstWasm }: KernelRow, colors: Colors): string {
  if (againstWasm === undefined) return '';
  const ratio = formatNumber(againstWasm.median, 2);
  if (againstWasm.verdict === 'same') return colors.dim(`${ratio} (same)`);
  return againstWasm.verdict === 'faster' ? ratio : colors.yellow(ratio);
}

/** 1.04 [1.02, 1.09]: median of the turns, smallest and largest. */
function ratioText(ratio: PairedRatio | undefined): string {
  if (ratio === undefined) return '';
  const [middle, min, max] = [ratio.median, ratio.min, ratio.max].map((value) => value.toFixed(2));
  return `${middle} [${min}, ${max}]`;
}

export function trainingTable(result: TrainingBenchResult, machine: Machine, colors: Colors): string {
  const rows = result.rows.map((row) => [
    row.workload,
    `B=${row.batchSize}`,
    `${row.backend} ${row.isa}`,
    formatTime(row.medianSeconds),
    `±${formatPercent(row.spread)}`,
    ratioText(row.clip),
    ratioText(row.fisher),
    ratioText(row.twoThreads),
    ratioText(row.againstWasm),
  ]);
  const head = [
    'model',
    'batch',
    'back end',
    'step',
    'spread',
    'clip / SGD',
    'Fisher / SGD',
    '2 threads',
    'x wasm',
  ];
  const lines = [
    machineLine(machine),
    `one thread; images: ${result.images === 'mnist' ? 'MNIST' : 'the synthetic twin of MNIST'}`,
    '',
    plainTable(head, rows, 3, colors),
  ];
  for (const { workload, backend, difference } of result.failed)
    lines.push(`${colors.red('✗')} ${workload} on ${backend} was not timed: ${difference}`);
  return lines.join('\n');
}

export function simulationTable(result: SimulationBenchResult, machine: Machine, colors: Colors): string {
  const { published, overhead, memory } = result;
  const seconds = (values: readonly number[]): string => {
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2));
    return `${median(values).toFixed(2)} s [${low}, ${high}]`;
  };
  const mb = (value: number): string => `${formatNumber(value)} MiB`;
  const growth = memory.lateMb - memory.earlyMb;
  const more = memory.with10000ClientsMb - memory.with100ClientsMb;
  const rows = [
    [
      'mnist-lr, 1000 clients, 10 a round, 100 rounds',
      seconds(published.totalSeconds),
      `without set-up ${seconds(published.withoutSetupSeconds)}, accuracy ${formatPercent(published.accuracy)}`,
    ],
    [
      `overhead a client update, ${formatNumber(overhead.parameters)} parameters`,
      formatTime(overhead.secondsPerUpdate),
      `${formatNumber(overhead.clientUpdates)} updates, ${overhead.cohortSize} a round, empty pipeline`,
    ],
    [
      `resident memory over ${formatNumber(memory.rounds)} rounds`,
      `${growth >= 0 ? '+' : '−'}${mb(Math.abs(growth))}`,
      `${mb(memory.earlyMb)} up to round 1,000, ${mb(memory.lateMb)} up to round 2,000`,
    ],
    [
      'resident memory, 10,000 clients against 100',
      `${more >= 0 ? '+' : '−'}${mb(Math.abs(more))}`,
      `${mb(memory.with100ClientsMb)} and ${mb(memory.with10000ClientsMb)} after 100 rounds`,
    ],
  ];
  const used = `${published.backend} ${published.isa}, ${published.workers} workers; images: ${published.images}`;
  return [
    machineLine(machine),
    used,
    '',
    plainTable(['what', 'measured', ''], rows, 3, colors),
    '',
    'Published for the first row, on CPU: FLUTE 3:20, Flower 1.0 30:14.',
  ].join('\n');
}
