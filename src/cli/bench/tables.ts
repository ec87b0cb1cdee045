/** Benches as people read them. */
import { cpus } from 'node:os';
import Table from 'cli-table3';
import { kernelBuildId } from '../../kernels/build-id.js';
import type { Kernels } from '../../kernels/kernels.js';
import { platform } from '../../platform/node.js';
import { formatNumber, formatPercent } from '../../report/format.js';
import { version } from '../../version.js';
import type { Colors } from '../output.js';
import type { KernelBenchResult, KernelRow } from './kernels.js';

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

/** A table without a frame; the first `texts` columns are left-aligned, the rest are numbers. */
export function plainTable(
  head: readonly string[],
  rows: readonly string[][],
  texts: number,
  colors: Colors,
): string {
  const none = [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
  ];
  const inner = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'];
  const table = new Table({
    head: head.map((title) => colors.bold(title)),
    colAligns: head.map((_, i) => (i < texts ? 'left' : 'right')),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: Object.fromEntries([...none, ...inner, 'middle'].map((name) => [name, ''])),
  });
  table.push(...rows);
  return table.toString().replace(/ +$/gm, '');
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
