/** Greedy soup of models on disk. Every candidate is a recipe, so that the model that was scored is the model that is written. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type SoupTrace, selectSoup } from '../../combine/merge/greedy-soup.js';
import { InvalidArgumentError } from '../../errors.js';
import { modelIoError } from '../../tensor/safetensors/io-error.js';
import {
  makeFolder,
  refuseExisting,
  refuseInputs,
  removeEmpty,
} from '../../tensor/safetensors/output-folder.node.js';
import { openModel } from '../../tensor/safetensors/reader.node.js';
import { mergeRecipe } from '../merge.node.js';
import type { MergeOptions } from '../merge-options.node.js';
import { planRecipe } from '../plan-recipe.node.js';
import type { MergeSummary } from '../summary.js';
import { writeWholeFile } from '../whole-file.node.js';
import { SoupTraceError } from './errors.js';
import { parseSoupFile, type SoupFile } from './trace-file.js';

/** A mean of models that is to be scored. */
export interface SoupCandidate {
  /** Absolute paths; the last is the one on trial. */
  readonly ingredients: readonly string[];
  /** Text of the recipe that merges them, as `mergeRecipe` and `createMemoryMerger` take it. */
  readonly recipe: string;
  readonly signal?: AbortSignal;
}

export interface SoupOptions
  extends Pick<
    MergeOptions,
    'memory' | 'workers' | 'shardSize' | 'overwrite' | 'sync' | 'signal' | 'onProgress' | 'backend' | 'isa'
  > {
  /** Score on held-out data that no final report uses; higher is better. */
  score(candidate: SoupCandidate): number | Promise<number>;
  /** Names what scores, in whatever way: a trace of another is not taken up. Default: empty. */
  scoreName?: string;
  /** Take in a model that leaves the score as it is. Default: false. */
  acceptEqual?: boolean;
  /** Type that the soup is stored in, as recipes name it. Default: that of the models. */
  dtype?: string;
  /** Go on from `soup.json` of an interrupted run. Default: begin anew; a trace that is there is refused unless `overwrite`. */
  resume?: boolean;
  /** After every score. */
  onStep?(trace: SoupTrace): void;
}

export interface SoupResult {
  readonly folder: string;
  /** As they were given, in order of acceptance. */
  readonly ingredients: readonly string[];
  readonly score: number;
  readonly trace: SoupTrace;
  readonly merge: MergeSummary;
}

const TRACE_FILE = 'soup.json';
const RECIPE_FILE = 'recipe.yaml';

/**
 * Greedy soup of checkpoints: models best first, each taken in if the mean scores better with it.
 *
 * The folder gets the soup; `recipe.yaml`, which `heddle merge` makes the same bytes of; and `soup.json`, written after every score, from
 * which an interrupted run goes on to the same result. Every candidate is summed anew from its ingredients in float64: nothing drifts, at
 * the cost of reading them again.
 *
 * @param models - folders of at least one model, all of one architecture, none twice.
 * @throws {InvalidArgumentError} for models or scores that cannot be; {SoupTraceError} for a trace of another soup; as `mergeRecipe`, for
 *   the folder before anything is scored.
 * @see Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), recipe 1.
 * @example await soupModels(['a', 'b', 'c'], 'soup', { score: ({ recipe }) => accuracyOf(recipe) });
 */
export async function soupModels(
  models: readonly string[],
  outDir: string,
  options: SoupOptions,
): Promise<SoupResult> {
  const { score, acceptEqual = false, signal, onStep } = options;
  const paths = models.map((model) => resolve(model));
  if (paths.length === 0 || new Set(paths).size < paths.length)
    throw new InvalidArgumentError('soupModels', 'models', 'at least one, none twice', models.join(', '));
  const folder = resolve(outDir);
  const definition = await definitionOf(paths, acceptEqual, options);
  const tracePath = join(folder, TRACE_FILE);
  const before = await earlierTrace(tracePath, definition, options);
  // Models that do not go together are found before any is scored.
  await planRecipe(soupRecipe(paths, options.dtype), { memory: options.memory, recipeName: RECIPE_FILE });
  const made = await prepareFolder(folder, paths, options);
  try {
    const file = ({ scores, steps }: SoupTrace): SoupFile => ({
      ...{ version: 1, definition, models: [...models], acceptEqual },
      scores: [...scores],
      steps: [...steps],
    });
    const selection = await selectSoup({
      count: paths.length,
      ...{ acceptEqual, signal, ...(before && { trace: before }) },
      score: (indices) => {
        const ingredients = indices.map((k) => paths[k]);
        return score({ ingredients, recipe: soupRecipe(ingredients, options.dtype), signal });
      },
      async onStep(trace) {
        await writeWholeFile(tracePath, jsonText(file(trace)));
        onStep?.(trace);
      },
    });
    const chosen = selection.ingredients.map((k) => paths[k]);
    const recipe = soupRecipe(chosen, options.dtype);
    const { memory, workers, shardSize, overwrite, sync, onProgress, backend, isa } = options;
    const ingredients = selection.ingredients.map((k) => models[k]);
    // Before the model: whoever finds the model finds what it is made of.
    await writeWholeFile(join(folder, RECIPE_FILE), recipe);
    await writeWholeFile(
      tracePath,
      jsonText({ ...file(selection.trace), ingredients, score: selection.score }),
    );
    const merge = await mergeRecipe(recipe, folder, {
      ...{ memory, workers, shardSize, overwrite, sync, signal, onProgress, backend, isa },
      recipeName: RECIPE_FILE,
      resume: options.resume,
    });
    return { folder, ingredients, score: selection.score, trace: selection.trace, merge };
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}

/** Finds before anything is scored what would be refused once everything is: a folder of an input, of another model, or none at all. */
async function prepareFolder(
  folder: string,
  models: readonly string[],
  { overwrite = false, resume = false }: SoupOptions,
): Promise<string[]> {
  try {
    await refuseInputs(folder, models);
    const made = await makeFolder(folder);
    // An interrupted run may have brought a part of its model into place.
    if (!overwrite && !resume) await refuseExisting(folder);
    return made;
  } catch (error) {
    throw modelIoError(error, 'writing', folder);
  }
}

/** The mean of models as a recipe, whole models by absolute path. */
export function soupRecipe(ingredients: readonly string[], dtype?: string): string {
  const recipe = {
    merge_method: 'uniform_soup',
    models: ingredients.map((model) => ({ model })),
    ...(dtype !== undefined && { out_dtype: dtype }),
  };
  return stringify(recipe, { lineWidth: 0 });
}

/** Files are told by path, length and time of the last change, as by an interrupted merge. */
async function definitionOf(
  paths: readonly string[],
  acceptEqual: boolean,
  { scoreName = '', dtype }: SoupOptions,
): Promise<string> {
  const files = [];
  for (const path of paths) {
    const source = await openModel(path);
    await source.close();
    for (const { path: file, size } of source.files)
      files.push([file, size, String((await stat(file, { bigint: true })).mtimeNs)]);
  }
  const described = JSON.stringify({ paths, files, acceptEqual, scoreName, dtype });
  return createHash('sha256').update(described).digest('hex');
}

async function earlierTrace(
  path: string,
  definition: string,
  { resume = false, overwrite = false }: SoupOptions,
): Promise<SoupTrace | undefined> {
  if (overwrite && !resume) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
    // Where no folder can be, that is said when it is made.
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errno)) return undefined;
    throw modelIoError(error, 'reading', path);
  }
  if (!resume)
    throw new SoupTraceError(
      path,
      'is of an earlier soup',
      'continue it with --resume, begin anew with --overwrite, or give another folder',
    );
  const earlier = parseSoupFile(text, path);
  if (earlier.definition === definition) return earlier;
  throw new SoupTraceError(
    path,
    'is of other models, another rule or another score',
    'give the same command as before, or another folder',
  );
}

function jsonText(value: SoupFile): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
