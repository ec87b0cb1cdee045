/** mergekit-yaml's options, so that its command lines work: some are ours by another name, the rest have no meaning here. */
import { type Command, Option } from 'commander';
import { UsageError } from './errors.js';
import { isGiven } from './idle-options.js';
import type { Output } from './output.js';
import { seedText, wholeNumber } from './verb.js';

export interface MergekitOptions {
  copyTokenizer?: boolean;
  writeModelCard?: boolean;
  allowCrimes?: boolean;
  randomSeed?: string;
  numThreads?: number;
  safeSerialization?: boolean;
}

/** Options that change nothing, and why; those with a value name it. */
const WITHOUT_EFFECT: readonly (readonly [flags: string, why: string])[] = [
  ['--cuda', 'everything is computed on the CPU'],
  ['--gpu-rich', 'everything is computed on the CPU'],
  ['--read-to-gpu', 'everything is computed on the CPU'],
  ['--multi-gpu', 'everything is computed on the CPU'],
  ['--low-cpu-memory', 'memory is bounded by --memory'],
  ['--lazy-unpickle', 'no pickles are opened, and tensors are always read as they are needed'],
  ['--lora-merge-cache <folder>', 'adapters are added while tensors are read, nothing is cached'],
  ['--lora-merge-dtype <type>', 'adapters are added in float32'],
  ['--transformers-cache <folder>', 'models are folders of this machine'],
  ['--trust-remote-code', 'no code of a model is ever run'],
  ['--clone-tensors', 'every output is written whole'],
  ['--async-write', 'reading, computing and writing always overlap'],
  ['--write-threads <n>', 'reading, computing and writing always overlap'],
];

export function withMergekitOptions(command: Command): Command {
  command
    .optionsGroup('Options of mergekit-yaml:')
    .option('--copy-tokenizer', 'copy tokenizer files (default)')
    .option('--no-copy-tokenizer', 'do not copy tokenizer files')
    .option('--write-model-card', 'write README.md with models and recipe, unless another is there (default)')
    .option('--no-write-model-card', 'do not write it')
    .option('--allow-crimes', 'merge models of different architectures')
    .option('--random-seed <n>', 'as --seed', seedText)
    .option('--num-threads <n>', 'as --workers', wholeNumber(1, 1024))
    .addOption(new Option('--safe-serialization', 'write safetensors (always)').hideHelp())
    .addOption(new Option('--no-safe-serialization').hideHelp());
  for (const [flags, why] of WITHOUT_EFFECT) {
    command.addOption(new Option(flags, why).hideHelp());
    if (flags === '--async-write') command.addOption(new Option('--no-async-write', why).hideHelp());
  }
  return command;
}

/** The names of options without effect, in lines for the help. */
export const ignoredOptions: string = WITHOUT_EFFECT.map(([flags]) => flags.split(' ')[0])
  .join(', ')
  .replace(/(.{50,75},) /g, '$1\n  ');

/** Says of every option that was given and changes nothing why that is. @throws {UsageError} for what cannot be done. */
export function noteMergekitOptions(command: Command, options: MergekitOptions, output: Output): void {
  if (options.safeSerialization === false)
    throw new UsageError(
      '--no-safe-serialization asks for pickled files',
      'leave it out: models are written as safetensors',
    );
  for (const [flags, why] of WITHOUT_EFFECT) {
    const [name] = flags.split(' ');
    if (isGiven(command, name)) output.note(`note ${name} has no effect: ${why}`);
  }
}
