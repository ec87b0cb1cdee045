import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { parseCheckpoint, type SearchCheckpoint } from '../merge/evolve/checkpoint.js';
import { SearchAbortedError } from '../merge/evolve/errors.js';
import {
  type Candidate,
  type EvolveResult,
  evolve,
  recipeText,
  type Search,
} from '../merge/evolve/evolve.js';
import { parseSearchFile, type SearchFileContext, searchOf } from '../merge/evolve/search-file.js';
import { mergeRecipe } from '../merge/merge.node.js';
import { renderSearchPage, searchPageStyle } from '../report/evolve-page.js';
import { nodeFileSystem, writeWhole } from '../report/run-files.node.js';
import { UsageError } from './errors.js';
import { openFitness } from './evolve-fitness.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { type CommonOptions, createOutput, type Output, withCommonOptions } from './output.js';
import { type Verb, wholeNumber } from './verb.js';

interface EvolveVerbOptions extends CommonOptions {
  resume?: boolean;
  parallel?: number;
}

/** A candidate is scored and removed at once: its bytes need not reach the disk. */
const mergeCandidate: MergeRecipe = (recipe, folder, signal) =>
  mergeRecipe(recipe, folder, { signal, sync: false, recipeName: 'the candidate' });

/** Merges as `heddle merge` does: a recipe's text into a new model folder. */
export type MergeRecipe = (recipe: string, folder: string, signal: AbortSignal) => Promise<unknown>;

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
    # also: sigma, population, max_generations, target, variant
  fitness:
    type: command               # gets the model's folder and prints one number
    command: [python3, score.py, '{model}']
    timeout: 600                # seconds
    goal: maximize
    # type: module   a JavaScript module that exports fitness({ model, recipe, signal })
    # type: builtin  a task as mnist-2nn; synthetic, limit, part, metric
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
  const parsed = parseSearchFile(await readText(file), file);
  const home = dirname(resolve(file));
  const search = await searchOf(parsed, fileContext(home));
  await mkdir(folder, { recursive: true });
  const checkpointPath = join(folder, 'checkpoint.json');
  const resume = await startingPoint(checkpointPath, options.resume === true);
  const fitness = await openFitness(parsed.fitness, home);
  const stop = new AbortController();
  // Every job of every candidate listens: far more than the few from which Node suspects a leak.
  setMaxListeners(0, stop.signal);
  const release = listenForInterrupt(stop, output);
  const keep = keeper(folder, basename(file), search);
  try {
    const result = await evolve(search, {
      parallel: options.parallel ?? parsed.parallel,
      signal: stop.signal,
      resume,
      evaluate: (candidate, signal) => {
        const { recipeText: recipe, generation, index } = candidate;
        if (fitness.kind === 'memory') return fitness.score(recipe, signal);
        return withMergedModel(candidate, folder, merge, signal, (model) =>
          fitness.score({ model, recipe, generation, index, signal }),
        );
      },
      onCandidate: progress(output),
      onFailure: ({ generation, index }, error) =>
        output.note(`\ncandidate ${index} of generation ${generation} failed: ${messageOf(error)}`),
      onGeneration: (record) =>
        output.note(
          `${output.stderr.isTTY ? '\r\x1b[K' : ''}generation ${record.generation}  evaluations ${record.evaluations}  best ${shown(record.best)}  median ${shown(record.median)}  best so far ${shown(record.bestSoFar)}  step ${shown(record.sigma)}`,
        ),
      save: keep.save,
    });
    await writeResult(folder, result);
    output.result(summaryOf(folder, result), () => resultText(folder, result));
    return EXIT.done;
  } catch (error) {
    if (error instanceof SearchAbortedError) {
      await keep.flush();
      output.note(`continue with: heddle evolve ${file} ${folder} --resume`);
    }
    throw error;
  } finally {
    await fitness.dispose();
    release();
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read`, 'give the path of a search file', { cause: error });
  }
}

/** Relative models lie beside the search file; recipes name them absolutely, so that they merge from anywhere. */
function fileContext(home: string): SearchFileContext {
  return {
    resolveModel: (reference) =>
      reference
        .split('+')
        .map((part) => resolve(home, part))
        .join('+'),
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

async function startingPoint(path: string, resume: boolean): Promise<SearchCheckpoint | undefined> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  if (there && resume) return parseCheckpoint(await readFile(path, 'utf8'), path);
  if (there)
    throw new UsageError(
      `${path} is of an earlier search`,
      'continue it with --resume, or give another folder',
    );
  return undefined;
}

/** The merged model exists while it is scored. */
async function withMergedModel(
  candidate: Candidate,
  folder: string,
  merge: MergeRecipe,
  signal: AbortSignal,
  score: (model: string) => Promise<number>,
): Promise<number> {
  const place = await mkdtemp(join(folder, '.candidate-'));
  try {
    const model = join(place, 'model');
    await merge(candidate.recipeText, model, signal);
    if (candidate.inputScales !== undefined) await addInputScales(model, candidate.inputScales);
    return await score(resolve(model));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Scales that no weight can hold stand in the configuration, where the runtime finds them. */
async function addInputScales(model: string, scales: readonly number[]): Promise<void> {
  const path = join(model, 'config.json');
  const config = await readFile(path, 'utf8').then(
    (text) => JSON.parse(text) as Record<string, unknown>,
    () => ({}),
  );
  await writeFile(path, `${JSON.stringify({ ...config, merge_input_scales: scales }, null, 2)}\n`);
}

/** Writes the checkpoint: after every generation, within one when two seconds have passed, and by `flush` at an early end. */
function keeper(folder: string, title: string, search: Search) {
  const styleSha256 = createHash('sha256').update(searchPageStyle).digest('base64');
  let last = 0;
  let writing: Promise<void> = Promise.resolve();
  const write = async (checkpoint: SearchCheckpoint, whole: boolean): Promise<void> => {
    await writeWhole(nodeFileSystem, join(folder, 'checkpoint.json'), JSON.stringify(checkpoint));
    if (!whole || checkpoint.best === null) return;
    const decoded = search.genome.decode(checkpoint.best.genotype);
    const recipe = decoded === undefined ? '' : recipeText(decoded.recipe);
    await writeWhole(nodeFileSystem, join(folder, 'recipe.yaml'), recipe);
    const page = renderSearchPage({ title, records: checkpoint.history, recipe, styleSha256 });
    await writeWhole(nodeFileSystem, join(folder, 'search.html'), page);
  };
  let unsaved: SearchCheckpoint | undefined;
  const save = (checkpoint: SearchCheckpoint, whole: boolean): Promise<void> => {
    unsaved = checkpoint;
    if (!whole && performance.now() - last < 2000) return Promise.resolve();
    last = performance.now();
    unsaved = undefined;
    // Candidates finish side by side; files are written one after another.
    writing = writing.then(() => write(checkpoint, whole));
    return writing;
  };
  const flush = async (): Promise<void> => {
    await writing;
    if (unsaved !== undefined) await write(unsaved, false);
  };
  return { save, flush };
}

async function writeResult(folder: string, result: EvolveResult): Promise<void> {
  if (result.inputScales !== undefined)
    await writeWhole(
      nodeFileSystem,
      join(folder, 'input-scales.json'),
      `${JSON.stringify({ merge_input_scales: result.inputScales }, null, 2)}\n`,
    );
}

function summaryOf(folder: string, result: EvolveResult): object {
  const { best, evaluations, reason, history, inputScales } = result;
  return {
    score: best.score,
    evaluations,
    generations: history.length,
    reason,
    recipe: join(folder, 'recipe.yaml'),
    page: join(folder, 'search.html'),
    checkpoint: join(folder, 'checkpoint.json'),
    ...(inputScales === undefined ? {} : { inputScales: join(folder, 'input-scales.json') }),
  };
}

function resultText(folder: string, { best, evaluations, reason, inputScales }: EvolveResult): string {
  const recipe = join(folder, 'recipe.yaml');
  const lines = [
    `score ${best.score} after ${evaluations} evaluations (${reason})`,
    `heddle merge ${recipe} MODEL_DIR`,
  ];
  if (inputScales !== undefined)
    lines.push(
      `the model needs the factors in ${join(folder, 'input-scales.json')}: add them to its config.json; the runtime must apply them`,
    );
  return lines.join('\n');
}

function progress(output: Output): (done: number, of: number, score: number | null) => void {
  return (done, of, score) => {
    if (output.stderr.isTTY && !output.quiet)
      process.stderr.write(`\r\x1b[K  candidate ${done} of ${of}  score ${shown(score)}`);
  };
}

function shown(value: number | null): string {
  return value === null ? '–' : String(Number(value.toPrecision(6)));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first Ctrl-C stops the search, the second ends the process. */
function listenForInterrupt(stop: AbortController, output: Output): () => void {
  const onInterrupt = (): void => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    output.note('\ninterrupted: what was evaluated is kept (again to exit at once)');
    stop.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  return () => {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  };
}
