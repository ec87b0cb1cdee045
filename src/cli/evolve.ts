import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { EvaluationError, SearchAbortedError } from '../merge/evolve/errors.js';
import {
  type Candidate,
  type EvolveResult,
  evolve,
  recipeText,
  type Search,
} from '../merge/evolve/evolve.js';
import {
  leakageWarnings,
  modelsOf,
  parseSearchFile,
  type SearchFile,
  type SearchFileContext,
  searchOf,
} from '../merge/evolve/search-file.js';
import { mergeRecipe } from '../merge/merge.node.js';
import { planRecipe } from '../merge/plan-recipe.node.js';
import { formatNumber, formatSeconds } from '../report/format.js';
import { modelIoError } from '../tensor/safetensors/io-error.js';
import { makeFolder, removeEmpty } from '../tensor/safetensors/output-folder.node.js';
import { UsageError } from './errors.js';
import { checkModels, type SearchPlace, searchKeeper, startingPoint } from './evolve-files.js';
import { formatScore, openFitness } from './evolve-fitness.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { listenForInterrupt } from './interrupt.js';
import { type CommonOptions, createOutput, type Output, withCommonOptions } from './output.js';
import { readTextFile } from './text-file.js';
import { type Verb, wholeNumber } from './verb.js';

interface EvolveVerbOptions extends CommonOptions {
  resume?: boolean;
  parallel?: number;
}

/** A candidate is scored and removed at once: its bytes need not reach the disk. */
const mergeCandidate: MergeRecipe = (recipe, folder, { signal, baseFolder }) =>
  mergeRecipe(recipe, folder, { signal, baseFolder, sync: false, recipeName: 'the candidate' });

/** Merges as `heddle merge` does: a recipe's text into a new model folder. Its models are named relative to `baseFolder`. */
export type MergeRecipe = (
  recipe: string,
  folder: string,
  options: { signal: AbortSignal; baseFolder: string },
) => Promise<unknown>;

/** @param merge - another merge than the one of `heddle merge`. */
export function evolveCommand(merge: MergeRecipe = mergeCandidate): (run: Verb) => Command {
  return (run) =>
    withCommonOptions(
      new Command('evolve')
        .description('Searches for the merge recipe whose model scores best.')
        .argument('<search>', 'a search file (YAML)')
        .argument('<folder>', 'gets the best recipe, the checkpoint and the page of the search')
        .option(
          '--resume',
          "continue from the folder's checkpoint; the end is that of a search never stopped",
        )
        .option(
          '--parallel <n>',
          'candidates at once; default: what the file says, else 1',
          wholeNumber(1, 256),
        ),
    )
      .addHelpText('after', HELP)
      .action(
        run((file: string, folder: string, options: EvolveVerbOptions) =>
          evolveVerb(file, folder, options, merge),
        ),
      );
}

const HELP = `
Search file:
  genome:
    kind: parameters            # or dataflow: which layers run, in which order
    models: [./math, ./code]    # relative to the search file
    base_model: ./base
    merge_method: ties          # its weights, densities or t are searched
    layer_granularity: 4        # layers that share parameters; 0: all
    filters: [mlp]              # names with parameters of their own
    smooth: false               # a gradient over the layers instead of steps
    # also: layers, allow_negative_weights, normalize, random_init, bounds: {weight: [0, 1]},
    # tokenizer_source, dtype, out_dtype
    # dataflow: models: [{model: ./a, layers: 12}], repeats, scales, max_layers
  optimizer: {seed: 1, max_evaluations: 200, restarts: 1}
    # also: sigma, population, max_generations, max_seconds, target, variant
  fitness:
    type: command               # gets the model's folder and prints one number
    command: [python3, score.py, '{model}']
    timeout: 600                # seconds
    goal: maximize
    # tasks: [{name: gsm, weight: 1}, {name: loss, weight: -0.1}]   it then prints a JSON object of numbers
    # type: module   module: score.mjs, which exports fitness({ model, recipe, signal })
    # type: builtin  task: mnist-2nn; also synthetic, limit, part, metric (accuracy, loss),
    #                tasks: [{name: low, classes: [0, 1], metric: accuracy, weight: 1}]
  parallel: 2

Examples:
  heddle evolve search.yaml out
  heddle evolve search.yaml out --resume
  heddle merge out/recipe.yaml model     the winner, byte for byte

Ctrl-C stops; what was evaluated is kept for --resume.`;

async function evolveVerb(
  file: string,
  folder: string,
  options: EvolveVerbOptions,
  merge: MergeRecipe,
): Promise<ExitCode> {
  const output = createOutput(options);
  const parsed = parseSearchFile(await readTextFile(file, 'a search file'), file);
  const home = dirname(resolve(file));
  await checkModels(modelsOf(parsed), home, file);
  const search = await searchOf(parsed, fileContext(home));
  for (const warning of leakageWarnings(parsed)) output.note(`note: ${warning}`);
  // What no candidate can mend, as a base that is missing, is said once and before anything is written.
  const start = search.genome.decode(search.genome.start);
  if (merge === mergeCandidate && start !== undefined)
    await planRecipe(recipeText(start), {
      baseFolder: home,
      recipeName: `the recipe that ${file} starts from`,
    });
  const made = await makeFolder(folder).catch((error: unknown) => {
    throw modelIoError(error, 'writing', folder);
  });
  try {
    const result = await searchInto({ folder, home }, { file, parsed, search, options, merge }, output);
    const goal = 'goal' in parsed.fitness ? parsed.fitness.goal : 'maximize';
    output.result(summaryOf(folder, result), () => resultText(folder, goal, result));
    return EXIT.done;
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}

interface Wanted {
  /** As the search file was named. */
  readonly file: string;
  readonly parsed: SearchFile;
  readonly search: Search;
  readonly options: EvolveVerbOptions;
  readonly merge: MergeRecipe;
}

async function searchInto(
  { folder, home }: SearchPlace,
  { file, parsed, search, options, merge }: Wanted,
  output: Output,
): Promise<EvolveResult> {
  const checkpointPath = join(folder, 'checkpoint.json');
  const resume = await startingPoint(checkpointPath, options.resume === true);
  await removeLeftovers(folder);
  const fitness = await openFitness(parsed.fitness, home);
  const stop = new AbortController();
  const release = listenForInterrupt(stop, output, {
    doing: 'what was evaluated is kept',
    reason: new Error('interrupted'),
  });
  const title = basename(file);
  const keep = searchKeeper({ folder, home }, { title, scored: scoredBy(parsed), search });
  const likewise = repetition();
  const progress = searchProgress(output, search.maxEvaluations);
  try {
    return await evolve(search, {
      parallel: options.parallel ?? parsed.parallel,
      signal: stop.signal,
      resume,
      evaluate: (candidate, signal) => {
        const { recipeText: recipe, generation, index } = candidate;
        if (fitness.kind === 'memory') return fitness.score(recipe, signal);
        return withMergedModel(candidate, { folder, home, merge, signal }, (model) =>
          fitness.score({ model, recipe, generation, index, signal }),
        );
      },
      onCandidate: progress.candidate,
      onFailure: ({ generation, index }, error) => {
        progress.clear();
        output.note(
          `candidate ${index + 1} of generation ${generation} failed twice and ranks last${likewise(messageOf(error))}`,
        );
      },
      onGeneration: (record) => {
        progress.clear();
        output.note(
          `generation ${record.generation}  evaluations ${record.evaluations}  best ${formatScore(record.best)}  median ${formatScore(record.median)}  best so far ${formatScore(record.bestSoFar)}  step ${formatScore(record.sigma)}${record.failed > 0 ? `  failed ${record.failed}` : ''}`,
        );
      },
      save: keep.save,
    });
  } catch (error) {
    if (error instanceof SearchAbortedError) {
      progress.clear();
      await keep.flush();
      output.note(`continue with: heddle evolve ${file} ${folder} --resume`);
    }
    // Failures of a broken evaluator are not to be gone on from.
    if (error instanceof EvaluationError) await rm(checkpointPath, { force: true });
    throw error;
  } finally {
    await fitness.dispose();
    release();
  }
}

/** What a score is, in a word. */
function scoredBy({ fitness }: SearchFile): string {
  if (fitness.tasks !== undefined) return `${fitness.tasks.length} tasks, weighed`;
  if (fitness.type === 'builtin')
    return `${fitness.metric === 'loss' ? 'minus the loss' : 'accuracy'} of ${fitness.task}, ${fitness.part} part`;
  const what = fitness.type === 'command' ? fitness.command.join(' ') : fitness.module;
  return fitness.goal === 'minimize' ? `minus what ${what} says` : `what ${what} says`;
}

/** Relative models lie beside the search file. */
function fileContext(home: string): SearchFileContext {
  return {
    async layersOf(reference) {
      const path = join(resolve(home, reference), 'config.json');
      const hint = 'give layers in the search file, or a model with num_hidden_layers in its config.json';
      let config: { num_hidden_layers?: unknown; n_layer?: unknown };
      try {
        config = JSON.parse(await readFile(path, 'utf8'));
      } catch (error) {
        throw new UsageError(`${path} does not say how many layers the model has`, hint, { cause: error });
      }
      const layers = config.num_hidden_layers ?? config.n_layer;
      if (typeof layers === 'number' && Number.isInteger(layers) && layers > 0) return layers;
      throw new UsageError(`${path} does not say how many layers the model has`, hint);
    },
  };
}

const CANDIDATE = '.candidate-';

/** Models that a search left behind when it was killed. */
async function removeLeftovers(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(CANDIDATE));
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** The merged model exists while it is scored. */
async function withMergedModel<T>(
  { recipeText: recipe }: Candidate,
  { folder, home, merge, signal }: { folder: string; home: string; merge: MergeRecipe; signal: AbortSignal },
  score: (model: string) => Promise<T>,
): Promise<T> {
  const place = await mkdtemp(join(folder, CANDIDATE));
  try {
    const model = join(place, 'model');
    await merge(recipe, model, { signal, baseFolder: home });
    return await score(resolve(model));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

function summaryOf(folder: string, { best, evaluations, reason, history }: EvolveResult): object {
  return {
    score: best.score,
    ...(best.perTask === undefined ? {} : { perTask: best.perTask }),
    evaluations,
    generations: history.length,
    failed: history.reduce((sum, { failed }) => sum + failed, 0),
    reason,
    recipe: join(folder, 'recipe.yaml'),
    page: join(folder, 'search.html'),
    checkpoint: join(folder, 'checkpoint.json'),
  };
}

/** Why a search ended, as a person reads it. */
const REASONS: Readonly<Record<string, string>> = {
  'max-evaluations': 'the evaluations allowed are used up',
  'max-generations': 'the generations allowed are used up',
  'max-seconds': 'the time allowed is over',
  target: 'the target is reached',
  tolx: 'converged: steps have become too small to matter',
  tolfun: 'converged: scores hardly differ',
  tolfunhist: 'converged: the best scores hardly differ',
  tolfacupx: 'diverged: the step size has grown a thousandfold; a smaller sigma may help',
  conditioncov: 'stopped: the search has become too narrow to be told from rounding',
  tolstagnation: 'stopped: no better candidates for many generations',
  flatfitness: 'stopped: most candidates have one score; more examples, or another metric, tell them apart',
  maxiter: 'stopped: as many generations as CMA-ES should need',
};

function resultText(folder: string, goal: string, result: EvolveResult): string {
  const { best, evaluations, reason, recipe } = result;
  const tasks = Object.entries(best.perTask ?? {}).map(([name, value]) => `  ${name}: ${formatScore(value)}`);
  const place = join(folder, 'recipe.yaml');
  return [
    `best score ${formatScore(best.score)} after ${evaluations} evaluations${goal === 'minimize' ? ' (what is minimised, with a minus)' : ''}`,
    ...tasks,
    `${REASONS[reason] ?? reason}`,
    `heddle merge ${place} MODEL_DIR   makes the model`,
    `${join(folder, 'search.html')}   shows the course of the search`,
    ...('merge_input_scales' in recipe
      ? ['the model needs the merge_input_scales of its config.json: the runtime must apply them']
      : []),
  ].join('\n');
}

interface SearchProgress {
  candidate(done: number, of: number, score: number | null, evaluations: number): void;
  /** Before a line that stays. */
  clear(): void;
}

/** On a terminal, one line that changes: candidates, evaluations a second, time left. */
function searchProgress({ stderr, quiet }: Output, limit: number | undefined): SearchProgress {
  const live = stderr.isTTY === true && !quiet;
  const began = performance.now();
  let first: number | undefined;
  return {
    candidate(done, of, score, evaluations) {
      if (!live) return;
      first ??= evaluations - 1;
      const rate = (1000 * (evaluations - first)) / (performance.now() - began);
      const left = limit === undefined ? undefined : Math.max(0, limit - evaluations) / rate;
      const parts = [
        `  candidate ${done} of ${of}`,
        `score ${formatScore(score)}`,
        `${formatNumber(rate)} evaluations/s`,
        ...(left === undefined ? [] : [`${formatSeconds(left)} left`]),
      ];
      stderr.write(`\r\x1b[K${parts.join('  ').slice(0, (stderr.columns || 80) - 1)}`);
    },
    clear() {
      if (live) stderr.write('\r\x1b[K');
    },
  };
}

/** Says a message once, however often it comes in a row. */
function repetition(): (message: string) => string {
  let last: string | undefined;
  return (message) => {
    const bare = message.replaceAll(/\.candidate-\w+/g, '');
    if (bare === last) return ' for the same reason';
    last = bare;
    return `: ${message}`;
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
