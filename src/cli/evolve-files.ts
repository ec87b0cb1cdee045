/** What a search leaves in its folder: the checkpoint, the best recipe, the page of its course. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { parseCheckpoint, type SearchCheckpoint } from '../merge/evolve/checkpoint.js';
import { recipeText, type Search } from '../merge/evolve/evolve.js';
import { foundParameters } from '../merge/evolve/found-parameters.js';
import { type RecipeValue, renameModels } from '../merge/evolve/genome.js';
import { writeWholeFile } from '../merge/whole-file.node.js';
import { renderSearchPage, searchPageStyle } from '../report/evolve-page.js';
import { UsageError } from './errors.js';

/** A search's folder, and where its models are. */
export interface SearchPlace {
  /** Gets the files. */
  readonly folder: string;
  /** Of the search file: relative models lie there. */
  readonly home: string;
}

/** The checkpoint to go on from, or undefined for a fresh search. */
export async function startingPoint(path: string, resume: boolean): Promise<SearchCheckpoint | undefined> {
  if (!(await exists(path))) return undefined;
  if (resume) return parseCheckpoint(await readFile(path, 'utf8'), path);
  throw new UsageError(
    `${path} is of an earlier search`,
    'continue it with --resume, or give another folder',
  );
}

/** @throws {UsageError} naming every model that is not there, before anything is merged. */
export async function checkModels(models: readonly string[], home: string, file: string): Promise<void> {
  const missing: string[] = [];
  for (const model of models)
    for (const part of model.split('+')) {
      const path = resolve(home, part.split('@')[0]);
      if (!(await exists(path))) missing.push(`${part} (looked for at ${path})`);
    }
  if (missing.length > 0)
    throw new UsageError(
      `${file} names models that are not there: ${missing.join(', ')}`,
      'give folders of models, relative to the search file',
    );
}

/** A recipe as it stands in the search's folder: models relative to it, so that both can move together. */
function recipeIn({ folder, home }: SearchPlace, recipe: RecipeValue): string {
  const moved = (part: string): string => {
    const [path, ...revision] = part.split('@');
    if (isAbsolute(path)) return part;
    const from = relative(resolve(folder), resolve(home, path)).replaceAll('\\', '/');
    return [from === '' ? '.' : from, ...revision].join('@');
  };
  return recipeText(renameModels(recipe, (reference) => reference.split('+').map(moved).join('+')));
}

export interface SearchKeeper {
  /** Writes after every generation, and within one when two seconds have passed. */
  save(checkpoint: SearchCheckpoint, whole: boolean): Promise<void>;
  /** Writes what is unsaved at an early end. */
  flush(): Promise<void>;
}

/** @param scored - how a score is told, as `accuracy of mnist-2nn`. */
export function searchKeeper(
  place: SearchPlace,
  { title, scored, search }: { title: string; scored: string; search: Search },
): SearchKeeper {
  const styleSha256 = createHash('sha256').update(searchPageStyle).digest('base64');
  const at = (name: string): string => join(place.folder, name);
  let last = 0;
  let writing: Promise<void> = Promise.resolve();
  const write = async (checkpoint: SearchCheckpoint, whole: boolean): Promise<void> => {
    await writeWholeFile(at('checkpoint.json'), JSON.stringify(checkpoint));
    const { best, history, finished } = checkpoint;
    if (!whole || best === null) return;
    const decoded = search.genome.decode(best.genotype);
    const recipe = decoded === undefined ? '' : recipeIn(place, decoded);
    await writeWholeFile(at('recipe.yaml'), recipe);
    const parameters = decoded === undefined ? [] : foundParameters(decoded);
    const records = history;
    const page = renderSearchPage({
      title,
      scored,
      records,
      best,
      finished,
      parameters,
      recipe,
      styleSha256,
    });
    await writeWholeFile(at('search.html'), page);
  };
  let unsaved: SearchCheckpoint | undefined;
  return {
    save(checkpoint, whole) {
      unsaved = checkpoint;
      if (!whole && performance.now() - last < 2000) return Promise.resolve();
      last = performance.now();
      unsaved = undefined;
      // Candidates finish side by side; files are written one after another.
      writing = writing.then(() => write(checkpoint, whole));
      return writing;
    },
    async flush() {
      await writing;
      if (unsaved !== undefined) await write(unsaved, false);
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
