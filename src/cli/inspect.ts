import { Command } from 'commander';
import { loadBackend } from '../kernels/select.js';
import { formatBytes, formatNumber, printable } from '../report/format.js';
import { openModel } from '../tensor/safetensors/reader.node.js';
import { normOfNorms } from '../tensor/safetensors/scaled-sum.js';
import { findScales, type ScaleInfo } from '../tensor/safetensors/scales.js';
import type { ModelSource, TensorInfo } from '../tensor/safetensors/source.js';
import { type TensorStatistics, tensorStatistics } from '../tensor/safetensors/statistics.js';
import { createByteProgress } from './byte-progress.js';
import { EXIT } from './exit-codes.js';
import { type Colors, type CommonOptions, createOutput, type Output, withCommonOptions } from './output.js';
import { plainTable } from './plain-table.js';
import { expectMatches, tensorFilter } from './tensor-filter.js';
import type { Verb } from './verb.js';

interface InspectOptions extends CommonOptions {
  filter?: string;
  /** commander's form of `--no-values`. */
  values: boolean;
}

export function inspectCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('inspect')
      .description('Prints the tensors of a model: types, shapes, norms, and values that are not finite.')
      .argument('<path>', 'a safetensors file, or a folder with one, sharded or not')
      .option('--filter <text>', 'only tensors whose name holds this text; a * stands for any text')
      .option('--no-values', 'read headers only: no norms, and at once whatever the size'),
  )
    .addHelpText(
      'after',
      `
Norm, mean, least and greatest are over the finite values, in float64, to which integers beyond 2^53 are rounded;
of eight-bit weights with scales beside them, over the values after scaling.

Examples:
  heddle inspect models/base
  heddle inspect model.safetensors --filter 'layers.*.weight'
  heddle inspect models/base --json | jq '.tensors[] | select(.nans > 0).name'

Exit codes: 0 done, 2 bad arguments, 3 the model is missing or damaged.`,
    )
    .action(
      run(async (path: string, options: InspectOptions) => {
        const output = createOutput(options);
        const source = await openModel(path);
        try {
          const inspection = await inspectModel(source, options, output);
          output.result(inspection, () => describeInspection(inspection, output.colors));
        } finally {
          await source.close();
        }
        return EXIT.done;
      }),
    );
}

interface InspectedTensor extends Partial<TensorStatistics> {
  name: string;
  dtype: string;
  shape: readonly number[];
  parameters: number;
  bytes: number;
  file: string;
  /** The tensor with the scales of its values, and how many rows and columns share one. */
  scale?: ScaleInfo;
}

interface Inspection {
  path: string;
  tensors: InspectedTensor[];
  /** Of the tensors shown. */
  totals: {
    tensors: number;
    parameters: number;
    bytes: number;
    /** A list, since the keys of a map would be spelled as options are. */
    dtypes: { dtype: string; parameters: number }[];
    norm?: number;
    nans?: number;
    infinities?: number;
  };
  files: { name: string; bytes: number }[];
  metadata: { key: string; value: string }[];
  warnings: readonly string[];
}

async function inspectModel(
  source: ModelSource,
  options: InspectOptions,
  output: Output,
): Promise<Inspection> {
  const wanted = tensorFilter(options.filter);
  const infos = [...source.tensors.values()].filter(({ name }) => wanted(name));
  expectMatches(infos.length, options.filter, source.tensors.keys());
  const tensors = options.values
    ? await withValues(source, infos, output)
    : infos.map((info) => headerOf(source, info));
  const sum = (of: (tensor: InspectedTensor) => number): number =>
    tensors.reduce((all, each) => all + of(each), 0);
  const byDtype = new Map<string, number>();
  for (const { dtype, parameters } of tensors) byDtype.set(dtype, (byDtype.get(dtype) ?? 0) + parameters);
  const counted = options.values
    ? {
        norm: normOfNorms(tensors.map(({ norm = 0 }) => norm)),
        nans: sum(({ nans = 0 }) => nans),
        infinities: sum(({ infinities = 0 }) => infinities),
      }
    : {};
  return {
    path: source.path,
    tensors,
    totals: {
      tensors: tensors.length,
      parameters: sum(({ parameters }) => parameters),
      bytes: sum(({ bytes }) => bytes),
      dtypes: [...byDtype].map(([dtype, parameters]) => ({ dtype, parameters })),
      ...counted,
    },
    files: source.files.map(({ name, size }) => ({ name, bytes: size })),
    metadata: Object.entries(source.metadata).map(([key, value]) => ({ key, value })),
    warnings: source.warnings,
  };
}

function headerOf(
  source: ModelSource,
  { name, dtype, shape, size, bytes, file }: TensorInfo,
): InspectedTensor {
  const scale = findScales(source.tensors, name, source.config);
  return {
    ...{ name, dtype, shape, parameters: size, bytes, file },
    ...(typeof scale === 'object' && { scale }),
  };
}

async function withValues(
  source: ModelSource,
  infos: readonly TensorInfo[],
  output: Output,
): Promise<InspectedTensor[]> {
  const kernels = await loadBackend();
  const total = infos.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = createByteProgress(output, 'reading', total);
  try {
    const tensors: InspectedTensor[] = [];
    for (const info of infos) {
      const header = headerOf(source, info);
      const tensor = [source, info, header.scale] as const;
      const statistics = await tensorStatistics(tensor, { kernels, onBytes: progress.add });
      tensors.push({ ...header, ...statistics });
    }
    await source.verify();
    return tensors;
  } finally {
    progress.stop();
    kernels.dispose();
  }
}

function describeInspection(
  { tensors, totals, files, metadata, warnings }: Inspection,
  colors: Colors,
): string {
  const measured = totals.nans !== undefined;
  const head = ['tensor', 'type', 'shape', ...(measured ? ['norm', 'mean', 'min', 'max', 'NaN', 'Inf'] : [])];
  const flagged = (count: number | undefined): string =>
    count === undefined ? '–' : count > 0 ? colors.red(formatNumber(count)) : '0';
  const rows = tensors.map(({ name, dtype, shape, scale, norm, mean, min, max, nans, infinities }) => [
    printable(name),
    scale === undefined ? dtype : `${dtype} scaled by ${scale.block.join(' x ')}`,
    shape.length === 0 ? 'scalar' : shape.join(' x '),
    ...(measured
      ? [...[norm, mean, min, max].map((value) => formatNumber(value)), flagged(nans), flagged(infinities)]
      : []),
  ]);
  const types = totals.dtypes.map(({ dtype, parameters }) => `${formatNumber(parameters)} ${dtype}`);
  const fileBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines = [
    plainTable(head, rows, 3, colors),
    '',
    `${colors.bold(formatNumber(totals.tensors))} tensors, ${colors.bold(formatNumber(totals.parameters))} parameters (${types.join(', ')}), ${formatBytes(totals.bytes)}`,
    `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${formatBytes(fileBytes)}`,
  ];
  if (measured) {
    const bad = (totals.nans ?? 0) + (totals.infinities ?? 0);
    const finite =
      bad === 0
        ? colors.green('all values finite')
        : colors.red(`${formatNumber(bad)} ${bad === 1 ? 'value' : 'values'} not finite`);
    lines.push(`norm ${formatNumber(totals.norm, 6)}, ${finite}`);
  }
  for (const { key, value } of metadata) lines.push(colors.dim(printable(`${key}: ${shortened(value)}`)));
  for (const warning of warnings) lines.push(colors.yellow(`! ${printable(warning)}`));
  return lines.join('\n');
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
