import { Command } from 'commander';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { formatNumber, formatPercent, printable } from '../report/format.js';
import { type TensorDifference, tensorDifference } from '../tensor/safetensors/difference.js';
import { openModel } from '../tensor/safetensors/reader.node.js';
import { normOfNorms } from '../tensor/safetensors/scaled-sum.js';
import { findScales, type ScaleInfo } from '../tensor/safetensors/scales.js';
import type { ModelSource, TensorInfo } from '../tensor/safetensors/source.js';
import { type ByteProgress, createByteProgress } from './byte-progress.js';
import { EXIT } from './exit-codes.js';
import { type Colors, type CommonOptions, createOutput, type Output, withCommonOptions } from './output.js';
import { plainTable } from './plain-table.js';
import { expectMatches, tensorFilter } from './tensor-filter.js';
import type { Verb } from './verb.js';

interface DiffOptions extends CommonOptions {
  filter?: string;
  all?: boolean;
}

export function diffCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('diff')
      .description('Compares two models tensor by tensor.')
      .argument('<a>', 'a safetensors file, or a folder with one, sharded or not')
      .argument('<b>', 'the model to compare with it')
      .option('--filter <text>', 'only tensors whose name holds this text; a * stands for any text')
      .option('--all', 'also list tensors without a difference'),
  )
    .addHelpText(
      'after',
      `
Tensors of one type are the same if all their bytes are, tensors of two types, or with scales, if all their values
are. differ counts elements of another value (NaN equals NaN, 0 equals -0), exactly for any two types; elements
of the same value in other bits are told below the table. max |b-a| is the largest difference, max rel the largest
over max(|a|, |b|) of its element, |b-a| the norm of the difference, of |a| that norm over the norm of a, in
float64; elements that are not finite in both are counted apart.

Examples:
  heddle diff models/base models/tuned
  heddle diff a.safetensors b.safetensors --filter 'layers.0.*'
  heddle diff a b --json

Exit codes: 0 compared (whatever the outcome), 2 bad arguments, 3 a model is missing or damaged.`,
    )
    .action(
      run(async (pathA: string, pathB: string, options: DiffOptions) => {
        const output = createOutput(options);
        const a = await openModel(pathA);
        try {
          const b = await openModel(pathB);
          try {
            const difference = await diffModels(a, b, options, output);
            output.result(difference, () =>
              describeDifference(difference, options.all === true, output.colors),
            );
          } finally {
            await b.close();
          }
        } finally {
          await a.close();
        }
        return EXIT.done;
      }),
    );
}

interface ComparedTensor extends Partial<TensorDifference> {
  name: string;
  status: 'same' | 'different' | 'shapes-differ' | 'only-in-a' | 'only-in-b';
  dtypeA?: string;
  dtypeB?: string;
  shapeA?: readonly number[];
  shapeB?: readonly number[];
}

interface ModelDifference {
  a: string;
  b: string;
  tensors: ComparedTensor[];
  totals: {
    same: number;
    different: number;
    shapesDiffer: number;
    onlyInA: number;
    onlyInB: number;
    /** Over all tensors compared. */
    maxAbsolute: number;
    normA: number;
    normDelta: number;
    nonFinite: number;
  };
}

async function diffModels(
  a: ModelSource,
  b: ModelSource,
  options: DiffOptions,
  output: Output,
): Promise<ModelDifference> {
  const wanted = tensorFilter(options.filter);
  const names = [...new Set([...a.tensors.keys(), ...b.tensors.keys()])];
  const chosen = names.filter(wanted);
  expectMatches(chosen.length, options.filter, names);
  const pairs = chosen.map((name) => ({ name, infoA: a.tensors.get(name), infoB: b.tensors.get(name) }));
  const total = pairs.reduce((sum, { infoA, infoB }) => {
    return infoA && infoB && sameShape(infoA, infoB) ? sum + infoA.bytes + infoB.bytes : sum;
  }, 0);
  const kernels = await loadBackend();
  const progress = createByteProgress(output, 'comparing', total);
  const tensors: ComparedTensor[] = [];
  try {
    for (const { name, infoA, infoB } of pairs) {
      const about = {
        dtypeA: infoA?.dtype,
        dtypeB: infoB?.dtype,
        shapeA: infoA?.shape,
        shapeB: infoB?.shape,
      };
      const compared = await compare({ a, b, infoA, infoB, kernels, progress });
      tensors.push({ name, ...about, ...compared });
    }
    await a.verify();
    await b.verify();
  } finally {
    progress.stop();
    kernels.dispose();
  }
  const count = (status: ComparedTensor['status']): number =>
    tensors.filter((tensor) => tensor.status === status).length;
  const sum = (of: (tensor: ComparedTensor) => number): number =>
    tensors.reduce((all, each) => all + of(each), 0);
  return {
    a: a.path,
    b: b.path,
    tensors,
    totals: {
      same: count('same'),
      different: count('different'),
      shapesDiffer: count('shapes-differ'),
      onlyInA: count('only-in-a'),
      onlyInB: count('only-in-b'),
      maxAbsolute: tensors.reduce((most, { maxAbsolute = 0 }) => Math.max(most, maxAbsolute), 0),
      normA: normOfNorms(tensors.map(({ normA = 0 }) => normA)),
      normDelta: normOfNorms(tensors.map(({ normDelta = 0 }) => normDelta)),
      nonFinite: sum(({ nonFinite = 0 }) => nonFinite),
    },
  };
}

interface Comparison {
  a: ModelSource;
  b: ModelSource;
  infoA?: TensorInfo;
  infoB?: TensorInfo;
  kernels: Kernels;
  progress: ByteProgress;
}

async function compare({
  a,
  b,
  infoA,
  infoB,
  kernels,
  progress,
}: Comparison): Promise<Omit<ComparedTensor, 'name'>> {
  if (infoA === undefined) return { status: 'only-in-b' };
  if (infoB === undefined) return { status: 'only-in-a' };
  if (!sameShape(infoA, infoB)) return { status: 'shapes-differ' };
  const difference = await tensorDifference([a, infoA, scaleOf(a, infoA)], [b, infoB, scaleOf(b, infoB)], {
    kernels,
    onBytes: progress.add,
  });
  const { identical, different, differentBits } = difference;
  // Tensors of two types, or with scales, have no bits in common, but may have the same values.
  const same = identical || (differentBits === undefined && different === 0);
  return { status: same ? 'same' : 'different', ...difference };
}

function scaleOf({ tensors, config }: ModelSource, { name }: TensorInfo): ScaleInfo | undefined {
  const scale = findScales(tensors, name, config);
  return typeof scale === 'object' ? scale : undefined;
}

function sameShape(a: TensorInfo, b: TensorInfo): boolean {
  return a.shape.length === b.shape.length && a.shape.every((n, i) => n === b.shape[i]);
}

function describeDifference({ tensors, totals }: ModelDifference, all: boolean, colors: Colors): string {
  const shown = tensors.filter(({ status }) => status === 'different' || (all && status === 'same'));
  const numbers = ['differ', 'max |b-a|', 'max rel', '|b-a|', 'of |a|', 'cosine', 'not finite'];
  const head = ['tensor', 'type', 'shape', ...numbers];
  const rows = shown.map((tensor) => [
    printable(tensor.name),
    tensor.dtypeA === tensor.dtypeB ? (tensor.dtypeA ?? '') : `${tensor.dtypeA} / ${tensor.dtypeB}`,
    shapeText(tensor.shapeA),
    formatNumber(tensor.different),
    formatNumber(tensor.maxAbsolute),
    formatNumber(tensor.maxRelative),
    formatNumber(tensor.normDelta),
    share(tensor.normDelta, tensor.normA),
    tensor.cosine === undefined ? '–' : formatNumber(tensor.cosine, 6),
    tensor.nonFinite ? colors.red(formatNumber(tensor.nonFinite)) : formatNumber(tensor.nonFinite),
  ]);
  const lines = rows.length > 0 ? [plainTable(head, rows, 3, colors), ''] : [];
  for (const { name, status, shapeA, shapeB, different, differentBits } of tensors) {
    const shown = printable(name);
    if (differentBits !== undefined && differentBits !== (different ?? 0))
      lines.push(`${colors.yellow('!')} ${shown}: ${bitsText(differentBits, different)}`);
    if (status === 'shapes-differ')
      lines.push(`${colors.yellow('!')} ${shown}: ${shapeText(shapeA)} in a, ${shapeText(shapeB)} in b`);
    if (status === 'only-in-a') lines.push(`${colors.yellow('-')} ${shown}: only in a, ${shapeText(shapeA)}`);
    if (status === 'only-in-b') lines.push(`${colors.yellow('+')} ${shown}: only in b, ${shapeText(shapeB)}`);
  }
  const odd = [
    [totals.shapesDiffer, 'of other shape'],
    [totals.onlyInA, 'only in a'],
    [totals.onlyInB, 'only in b'],
  ] as const;
  const counts = [
    `${formatNumber(totals.same)} tensors same`,
    `${formatNumber(totals.different)} different`,
    ...odd.filter(([count]) => count > 0).map(([count, what]) => `${formatNumber(count)} ${what}`),
  ];
  lines.push(colors.bold(counts.join(', ')));
  if (totals.different > 0)
    lines.push(
      `largest difference ${formatNumber(totals.maxAbsolute)}, norm of all ${formatNumber(totals.normDelta)} (${share(totals.normDelta, totals.normA)} of a)`,
    );
  return lines.join('\n');
}

/** Of elements whose bytes differ but not their values, or whose values cannot be read. */
function bitsText(differentBits: number, different: number | undefined): string {
  const count = differentBits - (different ?? 0);
  const elements = `${formatNumber(count)} ${count === 1 ? 'element differs' : 'elements differ'}`;
  if (different === undefined) return `${elements}, of a type whose values are not read`;
  return `${elements} in bits alone: zeros of other sign, or NaNs of other bits`;
}

function share(part: number | undefined, whole: number | undefined): string {
  if (part === undefined || whole === undefined) return '–';
  if (whole === 0) return formatNumber(part === 0 ? 0 : Number.POSITIVE_INFINITY);
  const ratio = part / whole;
  if (ratio > 0 && ratio < 0.00005) return '< 0.01 %';
  // Beyond float64, or of two such norms.
  if (!Number.isFinite(100 * ratio)) return formatNumber(ratio);
  return ratio < 1e4 ? formatPercent(ratio, 2) : `${formatNumber(100 * ratio)} %`;
}

function shapeText(shape: readonly number[] | undefined): string {
  if (shape === undefined) return '–';
  return shape.length === 0 ? 'scalar' : shape.join(' x ');
}
