import { Command, Option } from 'commander';
import { mergeRecipe } from '../merge/merge.node.js';
import { planRecipe } from '../merge/plan-recipe.node.js';
import { formatPlan } from '../merge/planner/describe.js';
import type { LayerChange, MergeSummary } from '../merge/summary.js';
import { formatBytes, formatNumber, formatPercent, formatSeconds, printable } from '../report/format.js';
import { type BackendOptions, backendChoice, backendOption, isaOption } from './backend-options.js';
import { InterruptedError, UsageError } from './errors.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { interruptible } from './interrupt.js';
import { createMergeProgress } from './merge-progress.js';
import {
  ignoredOptions,
  type MergekitOptions,
  noteMergekitOptions,
  withMergekitOptions,
} from './mergekit-options.js';
import {
  type CommonOptions,
  counted,
  createOutput,
  type Output,
  withCommonOptions,
  withPrintableText,
} from './output.js';
import { plainTable } from './plain-table.js';
import { readTextFile } from './text-file.js';
import { byteSize, memoryOption, seedText, type Verb, wholeNumber } from './verb.js';

interface MergeVerbOptions extends CommonOptions, MergekitOptions, BackendOptions {
  dryRun?: boolean;
  strictMergekit?: boolean;
  memory?: number;
  workers?: number;
  seed?: string;
  outShardSize?: number;
  hashInputs?: boolean;
  resume?: boolean;
  overwrite?: boolean;
  rawTensors?: 'error' | 'union' | 'intersection';
  allowSubmatrix?: boolean;
  allowMissingTokenizer?: boolean;
}

/** Layers named in the summary for people. */
const MOST_CHANGED = 8;

export function mergeCommand(run: Verb): Command {
  const command = new Command('merge');
  withCommonOptions(
    command
      .description('Merges checkpoints as a mergekit recipe says, as a stream in bounded memory.')
      .argument('<recipe>', 'a YAML file in the language of mergekit; its paths are relative to it')
      .argument('[out-dir]', 'folder for the merged model; it must not hold a model')
      .option(
        '--dry-run',
        'print the plan: tensors, passes, bytes, memory, and what looks wrong; write nothing',
      )
      .addOption(memoryOption())
      .option('--workers <n>', 'threads that compute; default: one a core', wholeNumber(0, 1024))
      .option('--resume', 'go on from the tensors that an interrupted merge finished')
      .option('--overwrite', 'replace a model in the folder')
      .option(
        '--out-shard-size <size>',
        'bytes of tensors in a file at most; 0: one file; default: 5GB',
        byteSize,
      )
      .option(
        '--hash-inputs',
        'name the inputs in merge_report.json by their SHA-256 too; reads them once more',
      )
      .option('--seed <n>', 'seed of randomised methods, 0 to 2^64 - 1', seedText)
      .option('--strict-mergekit', "reproduce mergekit's quirks, and let values that are not finite pass")
      .option('--allow-submatrix', 'cut embeddings of different sizes to their common rows')
      .option('--allow-missing-tokenizer', "a model without a tokenizer counts as having the base's")
      .addOption(
        new Option('--raw-tensors <choice>', 'models without config.json that differ in names').choices([
          'error',
          'union',
          'intersection',
        ]),
      )
      .addOption(backendOption())
      .addOption(isaOption()),
  );
  return withMergekitOptions(command)
    .addHelpText(
      'after',
      `
Accepted and without effect:
  ${ignoredOptions}

Sizes are bytes: 512MB, 2GB, 1.5GiB; K, M and B alone are thousands, millions and billions, as in mergekit.

Examples:
  heddle merge ties.yaml merged
  heddle merge ties.yaml merged --dry-run
  heddle merge ties.yaml merged --memory 256MB --out-shard-size 2GB
  heddle merge ties.yaml merged --resume              after an interruption; same bytes

Ctrl-C stops at once and keeps what is finished for --resume. Nothing in the folder can be loaded until the merge is done.

Exit codes: 0 done, 1 the values cannot be merged so, 2 bad recipe or arguments, 3 a model is missing, damaged or not
finite, or the disk is full or fails, 5 the memory budget is too small, 130 interrupted.`,
    )
    .action(run(mergeVerb));
}

async function mergeVerb(
  recipe: string,
  outDir: string | undefined,
  options: MergeVerbOptions,
  command: Command,
): Promise<ExitCode> {
  const output = createOutput(options);
  noteMergekitOptions(command, options, output);
  const seed = oneOf('--seed', options.seed, '--random-seed', options.randomSeed);
  const workers = oneOf('--workers', options.workers, '--num-threads', options.numThreads);
  const { rawTensors, memory, resume, overwrite, allowSubmatrix, copyTokenizer, hashInputs } = options;
  const settings = {
    ...{ memory, workers, resume, overwrite, allowSubmatrix, copyTokenizer, rawTensors, hashInputs, seed },
    ...backendChoice(options),
    strict: options.strictMergekit,
    shardSize: options.outShardSize,
    allowMixedArchitectures: options.allowCrimes,
    allowMissingTokenizer: options.allowMissingTokenizer,
    modelCard: options.writeModelCard,
  };
  if ((await readTextFile(recipe, 'a recipe')).trim() === '')
    throw new UsageError(
      `${recipe} is empty`,
      'write a recipe: merge_method, models and what the method needs',
    );
  if (options.dryRun === true) {
    const description = await planRecipe(recipe, settings);
    output.result(description, () => formatPlan(withPrintableText(description)).trimEnd());
    return EXIT.done;
  }
  if (outDir === undefined)
    throw new UsageError('merge needs a folder for the model', `try \`heddle merge ${recipe} merged\``);
  const summary = await watched(recipe, outDir, settings, output);
  for (const warning of summary.warnings) output.warn(warning);
  output.result(summary, () => summaryText(summary, output));
  return EXIT.done;
}

/** Two names of one option. */
function oneOf<T>(name: string, value: T | undefined, other: string, same: T | undefined): T | undefined {
  if (value !== undefined && same !== undefined && value !== same)
    throw new UsageError(
      `${name} is ${value} and ${other} is ${same}`,
      `give one of them: ${other} is another name of ${name}`,
    );
  return value ?? same;
}

async function watched(
  recipe: string,
  outDir: string,
  settings: Parameters<typeof mergeRecipe>[2],
  output: Output,
): Promise<MergeSummary> {
  const bar = createMergeProgress(output);
  const reason = new InterruptedError(
    'the merge was interrupted; no model was written',
    `run the same command with --resume to go on from the tensors that are finished in ${outDir}`,
  );
  try {
    return await interruptible(output, { doing: 'keeping what is finished', reason }, (signal) =>
      mergeRecipe(recipe, outDir, { ...settings, signal, onProgress: (progress) => bar.update(progress) }),
    );
  } finally {
    bar.stop();
  }
}

function summaryText(summary: MergeSummary, { colors }: Output): string {
  const resumed = summary.resumedTensors > 0 ? `, ${summary.resumedTensors} of them before` : '';
  const lines = [
    `${colors.bold(summary.method)} of ${summary.models.map(printable).join(', ')}`,
    `${counted(summary.tensors, 'tensor')}${resumed}, ${formatNumber(summary.parameters)} parameters, ${formatBytes(summary.bytes)}`,
    `${formatSeconds(summary.seconds)}, ${formatNumber(summary.parametersPerSecond)} parameters/s, ` +
      `${formatBytes((summary.bytesRead + summary.bytes) / summary.seconds)}/s read and written`,
  ];
  if (summary.nonFinite > 0) lines.push(colors.yellow(`${counted(summary.nonFinite, 'value')} not finite`));
  const layers = mostChanged(summary.layers);
  if (layers.length > 0) {
    const rows = layers.map(({ layer, relativeChange }) => [
      printable(layer),
      formatPercent(relativeChange, 2),
    ]);
    lines.push('', plainTable(['changed most', 'relative change'], rows, 1, colors), '');
  }
  return [...lines, printable(summary.folder)].join('\n');
}

function mostChanged(layers: readonly LayerChange[]): LayerChange[] {
  return layers.toSorted((a, b) => b.relativeChange - a.relativeChange).slice(0, MOST_CHANGED);
}
