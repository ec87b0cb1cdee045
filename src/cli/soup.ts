import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Fitness } from '../merge/evolve/search-file.js';
import { mergeRecipe } from '../merge/merge.node.js';
import { type SoupCandidate, type SoupResult, soupModels } from '../merge/soup/soup.node.js';
import { formatBytes, printable } from '../report/format.js';
import { InterruptedError, UsageError } from './errors.js';
import { formatScore, type OpenFitness, openFitness } from './evolve-fitness.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { type OptionNeed, refuseIdleOptions } from './idle-options.js';
import { interruptible } from './interrupt.js';
import { createMergeProgress, type MergeProgress } from './merge-progress.js';
import {
  type Colors,
  type CommonOptions,
  counted,
  createOutput,
  type Output,
  withCommonOptions,
} from './output.js';
import { plainTable } from './plain-table.js';
import type { TaskOptions } from './task-model.js';
import { memoryOption, positiveNumber, type Verb, wholeNumber } from './verb.js';

interface SoupVerbOptions extends CommonOptions, TaskOptions {
  out: string;
  metric: 'accuracy' | 'loss';
  command?: string;
  module?: string;
  minimize?: boolean;
  timeout: number;
  acceptEqual?: boolean;
  dtype?: string;
  resume?: boolean;
  overwrite?: boolean;
  memory?: number;
}

const NEEDS: readonly OptionNeed[] = [
  { options: ['--synthetic', '--part', '--limit', '--metric'], beside: ['--task'] },
  { options: ['--timeout'], beside: ['--command'] },
  { options: ['--minimize'], beside: ['--command', '--module'] },
];

export function soupCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('soup')
      .description('Greedy soup: averages the models that make the average score better, best first.')
      .argument('<models...>', 'folders of models of one architecture')
      .requiredOption('--out <folder>', 'gets the soup, its recipe.yaml and soup.json')
      .option('--task <name>', 'score by a heddle model on its data: mnist-2nn, or a configuration file')
      .option('--synthetic', "with --task: the generated twin of the task's data")
      .addOption(
        new Option('--part <part>', 'with --task: which examples').choices(['train', 'test']).default('test'),
      )
      .option('--limit <n>', 'with --task: score on the first n examples', wholeNumber(1))
      .addOption(
        new Option('--metric <metric>', 'with --task: what is the score')
          .choices(['accuracy', 'loss'])
          .default('accuracy'),
      )
      .option(
        '--command <program>',
        'score by a program, split at spaces; {model} is the folder, else it comes last; it prints one number',
      )
      .option('--module <file>', 'score by a module that exports fitness({ model, recipe, signal })')
      .option('--minimize', 'with --command or --module: smaller numbers are better')
      .option('--timeout <seconds>', 'with --command: longest time of one score', positiveNumber, 3600)
      .option('--accept-equal', 'take in a model that leaves the score as it is')
      .option('--dtype <type>', 'type of the soup, as bfloat16; default: that of the models')
      .option('--resume', 'go on from soup.json of an interrupted run, to the same bytes')
      .option('--overwrite', 'replace a model in the folder')
      .addOption(memoryOption()),
  )
    .addHelpText(
      'after',
      `
Examples:
  heddle soup run1 run2 run3 --out soup --task mnist-2nn
  heddle soup run* --out soup --command "python evaluate.py {model}"
  heddle soup run* --out soup --command "python evaluate.py {model}" --resume
  heddle merge soup/recipe.yaml again          the same bytes

Ctrl-C stops; the scores are kept for --resume.
Score on data that no report of the soup uses: what is chosen on test data looks better than it is.`,
    )
    .action(run(soupVerb));
}

async function soupVerb(models: string[], options: SoupVerbOptions, command: Command): Promise<ExitCode> {
  const output = createOutput(options);
  refuseIdleOptions(command, NEEDS);
  const wanted = fitnessOf(options);
  const reason = new InterruptedError(
    'the soup was interrupted; no model was written',
    `run the same command with --resume to go on from the scores in ${join(options.out, 'soup.json')}`,
  );
  const result = await interruptible(output, { doing: 'keeping the scores', reason }, (signal) =>
    cook(models, wanted, options, output, signal),
  );
  for (const warning of result.merge.warnings) output.warn(warning);
  output.result(recordOf(result), () => textOf(models, result, options.minimize === true, output.colors));
  return EXIT.done;
}

async function cook(
  models: readonly string[],
  wanted: Fitness,
  options: SoupVerbOptions,
  output: Output,
  signal: AbortSignal,
): Promise<SoupResult> {
  const { out, acceptEqual, dtype, resume, overwrite, memory } = options;
  const fitness = await openFitness(wanted, '.');
  // Of the merge at the end: its clock does not run while models are scored.
  let bar: MergeProgress | undefined;
  try {
    return await soupModels(models, out, {
      ...{ acceptEqual, dtype, resume, overwrite, memory, signal },
      scoreName: JSON.stringify(wanted),
      score: (candidate) => scoreOf(fitness, candidate, signal, memory),
      onStep: ({ scores, steps }) => {
        const last = steps.at(-1);
        if (last === undefined)
          output.note(`${printable(models[scores.length - 1])}  ${formatScore(scores[scores.length - 1])}`);
        else
          output.note(
            `${last.accepted ? '+' : '-'} ${printable(models[last.model])}  soup with it ${formatScore(last.score)}`,
          );
      },
      onProgress(progress) {
        bar ??= createMergeProgress(output);
        bar.update(progress);
      },
    });
  } finally {
    bar?.stop();
    await fitness.dispose();
  }
}

function fitnessOf(options: SoupVerbOptions): Fitness {
  const { task, command, module, timeout, metric, part, limit, synthetic = false } = options;
  const given = [task, command, module].filter((value) => value !== undefined);
  if (given.length !== 1)
    throw new UsageError(
      given.length === 0 ? 'soup needs something that scores' : 'soup takes one kind of score',
      'give one of --task, --command and --module',
    );
  const goal = options.minimize === true ? 'minimize' : 'maximize';
  if (task !== undefined)
    return { type: 'builtin', task, synthetic, part, metric, ...(limit !== undefined && { limit }) };
  if (module !== undefined) return { type: 'module', module, goal };
  const parts = (command ?? '').split(/\s+/).filter((piece) => piece !== '');
  if (parts.length === 0) throw new UsageError('--command is empty', 'give a program and its arguments');
  return { type: 'command', command: parts, timeout, goal };
}

/** A model alone is scored where it lies; a mean is merged into memory, or into a folder that is gone afterwards. */
async function scoreOf(
  fitness: OpenFitness,
  { ingredients, recipe }: SoupCandidate,
  signal: AbortSignal,
  memory: number | undefined,
): Promise<number> {
  if (fitness.kind === 'memory') return totalOf(await fitness.score(recipe, signal));
  const input = { recipe, generation: 0, index: ingredients.length, signal };
  if (ingredients.length === 1) return totalOf(await fitness.score({ ...input, model: ingredients[0] }));
  const place = await mkdtemp(join(tmpdir(), 'heddle-soup-'));
  try {
    const model = join(place, 'model');
    await mergeRecipe(recipe, model, { signal, memory, sync: false, recipeName: 'the candidate' });
    return totalOf(await fitness.score({ ...input, model }));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Of a fitness with several tasks, what they come to. */
function totalOf(value: number | { readonly score: number }): number {
  return typeof value === 'number' ? value : value.score;
}

function recordOf({ folder, ingredients, score, trace, merge }: SoupResult): object {
  const { files, bytes, tensors, parameters, warnings } = merge;
  return { folder, ingredients, score, ...trace, merge: { files, bytes, tensors, parameters, warnings } };
}

function textOf(
  models: readonly string[],
  { folder, ingredients, score, trace, merge }: SoupResult,
  minimized: boolean,
  colors: Colors,
): string {
  const tried = new Map(trace.steps.map((step) => [step.model, step]));
  const rows = models.map((model, k) => {
    const step = tried.get(k);
    const taken = step === undefined || step.accepted;
    const together = step === undefined ? '' : formatScore(step.score);
    return [printable(model), taken ? 'taken' : '', formatScore(trace.scores[k]), together];
  });
  const best = Math.max(...trace.scores);
  return [
    plainTable(['model', '', 'alone', 'soup with it'], rows, 2, colors),
    '',
    `${ingredients.length} of ${counted(models.length, 'model')}: score ${formatScore(score)}, the best alone ${formatScore(best)}${minimized ? ' (what is minimised, with a minus)' : ''}`,
    `${printable(folder)}: ${formatBytes(merge.bytes)}; heddle merge ${printable(join(folder, 'recipe.yaml'))} makes it again`,
  ].join('\n');
}
