import { totalmem } from 'node:os';
import { Command, Option } from 'commander';
import { nearest } from '../config/names.js';
import { RecycleError } from '../merge/recycle/errors.js';
import { type RecycleStep, recycle } from '../merge/recycle/recycle.js';
import { formatBytes } from '../report/format.js';
import { readModel, writeModel } from '../tensor/safetensors/flat-model.node.js';
import { openModel } from '../tensor/safetensors/reader.node.js';
import { UsageError } from './errors.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { type OptionNeed, refuseIdleOptions, refuseOptionsOfOthers } from './idle-options.js';
import { type CommonOptions, createOutput, withCommonOptions } from './output.js';
import { recycleText } from './recycle-text.js';
import { readTextFile } from './text-file.js';
import { repeated, seedText, type Verb, wholeNumber } from './verb.js';

interface RecycleVerbOptions extends CommonOptions {
  units?: string[];
  split?: 'equal' | 'uneven';
  newUnits?: 'copies' | 'next-layer';
  unknownTokens?: 'mean' | 'pieces';
  after?: string;
  order?: string;
  layers?: number;
  positions?: number;
  stretch?: 'interpolate' | 'tile';
  sourceVocab?: string;
  targetVocab?: string;
  seed?: string;
  overwrite?: boolean;
}

/** Of every operation, the options that it reads. */
const TAKES: Readonly<Record<RecycleStep['operation'], readonly string[]>> = {
  wider: ['--units', '--split', '--new-units', '--seed'],
  deeper: ['--after'],
  stack: ['--order'],
  subclone: ['--units', '--layers'],
  'bert-to-gpt': [
    ...['--layers', '--positions', '--stretch', '--source-vocab', '--target-vocab', '--unknown-tokens'],
    '--seed',
  ],
};
const OPERATIONS = Object.keys(TAKES);
const NEEDS: readonly OptionNeed[] = [
  { options: ['--stretch'], beside: ['--positions'] },
  { options: ['--unknown-tokens', '--source-vocab'], beside: ['--target-vocab'] },
];

export function recycleCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('recycle')
      .description('Starts a wider, deeper, smaller or different model from trained tensors.')
      .argument('<operation>', OPERATIONS.join(', '))
      .argument('<model>', 'a safetensors file, or a folder with one and its config.json')
      .argument('<folder>', 'gets the new model')
      .option(
        '--units <group=n>',
        'wider, subclone: width of a hidden layer, or of mlp, heads (key-value heads), hidden (the residual stream) or head_dim; repeatable',
        repeated,
      )
      .addOption(
        new Option('--split <how>', 'wider: how copies share outgoing weights').choices(['equal', 'uneven']),
      )
      .addOption(
        new Option('--new-units <from>', 'wider: copies of the layer, or of the layer above').choices([
          'copies',
          'next-layer',
        ]),
      )
      .option('--after <layers>', 'deeper: layers, as 0,2 or fc1, each followed by one that does nothing yet')
      .option('--order <layers>', 'stack: old layers in the order of the new ones, as 0,1,0,1')
      .option('--layers <n>', 'subclone, bert-to-gpt: layers of the new model', wholeNumber(1, 100_000))
      .option('--positions <n>', 'bert-to-gpt: positions of the new model', wholeNumber(1, 1 << 24))
      .addOption(
        new Option('--stretch <how>', 'bert-to-gpt: how more positions are made').choices([
          'interpolate',
          'tile',
        ]),
      )
      .option('--source-vocab <file>', 'bert-to-gpt: tokens of the source, one a line, or JSON token: id')
      .option('--target-vocab <file>', 'bert-to-gpt: tokens of the new model')
      .addOption(
        new Option('--unknown-tokens <how>', 'bert-to-gpt: rows of tokens without a match').choices([
          'mean',
          'pieces',
        ]),
      )
      .option('--seed <n>', 'wider, bert-to-gpt: of copies and fresh layers, 0 to 2^64 - 1', seedText)
      .option('--overwrite', 'replace a model in the folder'),
  )
    .addHelpText(
      'after',
      `
Examples:
  heddle recycle wider mlp-model wide --units fc1=400 --split uneven
  heddle recycle wider llama wide --units mlp=8192 --units heads=12
  heddle recycle wider gpt2 wide --units hidden=1024 --units heads=16 --units mlp=4096
  heddle recycle deeper llama deep --after 3,7
  heddle recycle stack llama deep --order 0,1,2,3,0,1,2,3
  heddle recycle subclone llama small --units hidden=512 --units mlp=1024 --layers 6
  heddle recycle bert-to-gpt bert gpt --positions 1024 --json

wider (with copies) and deeper keep what the model computes; the others give a start for training.
The model is held in memory, as float32 three times over.`,
    )
    .action(run(recycleVerb));
}

async function recycleVerb(
  operation: string,
  path: string,
  folder: string,
  options: RecycleVerbOptions,
  command: Command,
): Promise<ExitCode> {
  const output = createOutput(options);
  refuseOptionsOfOthers(command, operation, TAKES);
  refuseIdleOptions(command, NEEDS);
  const step = await stepOf(operation, options);
  await checkMemory(path);
  const { model, report } = recycle(await readModel(path), step);
  const written = await writeModel(folder, model, { overwrite: options.overwrite });
  output.result({ ...report, folder, files: written.files, bytes: written.bytes }, () =>
    recycleText(report, folder),
  );
  return EXIT.done;
}

/** Copies of the parameters that are in memory at once, as float32: as read, as one vector, and the new model's. */
const COPIES = 3;

/** @throws {RecycleError} before a model is read that does not fit. */
async function checkMemory(path: string): Promise<void> {
  const source = await openModel(path);
  await source.close();
  const parameters = [...source.tensors.values()].reduce((sum, { size }) => sum + size, 0);
  const needed = 4 * COPIES * parameters;
  if (needed <= totalmem()) return;
  throw new RecycleError(
    `${path} needs about ${formatBytes(needed)} of memory to be made into another model, and this machine has ${formatBytes(totalmem())}`,
    'use a machine with more memory; layers alone can be stacked by `heddle merge` with passthrough slices',
  );
}

async function stepOf(operation: string, options: RecycleVerbOptions): Promise<RecycleStep> {
  const { units = [], split, newUnits, unknownTokens, layers, positions, stretch, seed } = options;
  switch (operation) {
    case 'wider':
      return { operation, units: unitsOf(needed('--units', units)), split, newUnits, seed };
    case 'deeper':
      return { operation, after: needed('--after', options.after).split(',') };
    case 'stack':
      return { operation, order: layerNumbers(needed('--order', options.order)) };
    case 'subclone':
      if (units.length === 0 && layers === undefined)
        throw new UsageError('subclone needs --units or --layers', 'say what shall be smaller');
      return { operation, units: unitsOf(units), layers };
    case 'bert-to-gpt': {
      const [sourceVocabulary, targetVocabulary] = await Promise.all(
        [options.sourceVocab, options.targetVocab].map((file) => file && readVocabulary(file)),
      );
      return {
        operation,
        layers,
        positions,
        stretch,
        unknownTokens,
        seed,
        sourceVocabulary: sourceVocabulary || undefined,
        targetVocabulary: targetVocabulary || undefined,
      };
    }
    default: {
      const near = nearest(operation, OPERATIONS);
      throw new UsageError(
        `${JSON.stringify(operation)} is not an operation`,
        near === undefined ? `the operations are ${OPERATIONS.join(', ')}` : `did you mean ${near}?`,
      );
    }
  }
}

function needed<T extends { readonly length: number }>(option: string, value: T | undefined): T {
  if (value === undefined || value.length === 0)
    throw new UsageError(`${option} is missing`, 'see `heddle recycle --help` for what each operation takes');
  return value;
}

function unitsOf(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, group, count] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
      if (group === undefined)
        throw new UsageError(
          `--units ${JSON.stringify(text)} cannot be read`,
          'give a group and a number, as fc1=400',
        );
      return [group, Number(count)];
    }),
  );
}

function layerNumbers(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.every((part) => /^\d+$/.test(part))) return parts.map(Number);
  throw new UsageError(`${JSON.stringify(text)} is not a list of layers`, 'give numbers, as 0,1,0,1');
}

/** One token a line, or a JSON object of token and id. */
async function readVocabulary(file: string): Promise<string[]> {
  const text = await readTextFile(file, 'a vocabulary');
  if (!file.endsWith('.json')) return text.replace(/\r?\n$/, '').split(/\r?\n/);
  let entries: [string, unknown][];
  try {
    entries = Object.entries(JSON.parse(text));
  } catch (error) {
    throw new UsageError(`${file} is not JSON`, 'give a JSON object of token and id', { cause: error });
  }
  const tokens = new Array<string>(entries.length);
  for (const [token, id] of entries) if (typeof id === 'number') tokens[id] = token;
  const complete =
    tokens.length === entries.length && Array.from(tokens).every((token) => token !== undefined);
  if (!complete) throw new UsageError(`the ids of ${file} are not 0, 1, 2 ...`, 'give a complete vocabulary');
  return tokens;
}
