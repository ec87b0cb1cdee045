/** What a merge on disk is asked for: its options, and the documents of its recipe. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InvalidArgumentError } from '../errors.js';
import type { BackendOptions } from '../kernels/select.js';
import type { PlanOptions } from './planner/planner.js';
import { documentOrder } from './recipe/documents.js';
import { parseRecipes } from './recipe/parse.js';
import type { Recipe } from './recipe/recipe.js';
import type { StreamProgress } from './stream/stream.js';

export interface MergeOptions extends Omit<PlanOptions, 'methods'>, BackendOptions {
  /** Folder that relative paths of the recipe are looked up in before the working folder. Default: that of the recipe's file. */
  readonly baseFolder?: string;
  /** Name of the recipe in messages. Default: its path, or `recipe`. */
  readonly recipeName?: string;
  /** Threads that compute. Default: one a core; 0 computes in this thread. Small merges take no threads. */
  readonly workers?: number;
  /** Resident memory in bytes that the merge may take, whatever the size of a tensor. Default: 512e6. */
  readonly memory?: number;
  /** Bytes of tensors in an output file at most; 0: one file. Default: 5e9. */
  readonly shardSize?: number;
  /** Go on from the tensors that an interrupted run of the same merge finished. Default: false. */
  readonly resume?: boolean;
  /** Replace a model in the output folder. Default: refuse. */
  readonly overwrite?: boolean;
  /** Write README.md with the models and the recipe, unless somebody else's is there. Default: true. */
  readonly modelCard?: boolean;
  /** Write the `modelSha256` of every input to merge_report.json, for which it is read once more. Default: false. */
  readonly hashInputs?: boolean;
  /** Force the bytes to the disk before the model appears. Default: true. */
  readonly sync?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StreamProgress) => void;
}

export const DEFAULT_MEMORY = 512e6;

export interface RecipeDocuments {
  readonly text: string;
  /** In the order in which they are merged; at least one. */
  readonly documents: readonly Recipe[];
  /** Where relative paths are looked up first. */
  readonly folder: string;
}

/**
 * Checks the options and reads the recipe.
 *
 * @param where - the function of the caller, for messages.
 * @throws {InvalidArgumentError} for an option out of range, a file that cannot be read, an empty recipe.
 * @throws {RecipeError}
 */
export async function readDocuments(
  where: string,
  recipe: string,
  options: MergeOptions,
): Promise<RecipeDocuments> {
  checkOptions(where, options);
  const isText = recipe.includes('\n');
  const text = isText ? recipe : await readRecipe(where, recipe);
  const source = options.recipeName ?? (isText ? 'recipe' : recipe);
  const documents = documentOrder(parseRecipes(text, { source, strict: options.strict }));
  if (documents.length === 0)
    throw new InvalidArgumentError(where, 'the recipe', 'YAML with merge_method and models', 'an empty text');
  return { text, documents, folder: options.baseFolder ?? (isText ? '.' : dirname(recipe)) };
}

function checkOptions(where: string, { workers, memory, shardSize }: MergeOptions): void {
  const check = (
    name: string,
    value: number | undefined,
    isValid: (n: number) => boolean,
    what: string,
  ): void => {
    if (value !== undefined && !isValid(value)) throw new InvalidArgumentError(where, name, what, value);
  };
  check(
    'workers',
    workers,
    (n) => Number.isSafeInteger(n) && n >= 0 && n <= 1024,
    'a whole number from 0 to 1024',
  );
  check('memory', memory, (n) => Number.isFinite(n) && n > 0, 'a number of bytes above 0');
  check('shardSize', shardSize, (n) => Number.isSafeInteger(n) && n >= 0, 'a whole number of bytes');
}

async function readRecipe(where: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(where, 'the recipe', 'a YAML file that can be read', `${path} (${why})`);
  }
}
