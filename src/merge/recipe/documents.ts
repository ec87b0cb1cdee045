/** Recipes of several documents: each named one is an intermediate model that others may use by its name. */
import { MergeError } from '../errors.js';
import { type Recipe, referencesOf } from './recipe.js';

/**
 * Puts documents in an order in which each comes behind those it uses; the unnamed one, the final output, is last. A single
 * document is the final output whatever its name.
 *
 * @throws {MergeError} of class `bad_recipe` for duplicate names, no or several final documents, and cycles.
 */
export function documentOrder(recipes: readonly Recipe[]): Recipe[] {
  if (recipes.length <= 1) return [...recipes];
  const byName = new Map<string, Recipe>();
  for (const recipe of recipes) {
    if (recipe.name === undefined) continue;
    if (byName.has(recipe.name)) throw bad(`two documents are named "${recipe.name}"`, 'rename one of them');
    byName.set(recipe.name, recipe);
  }
  const final = recipes.filter(({ name }) => name === undefined);
  if (final.length !== 1)
    throw bad(
      `${final.length === 0 ? 'no document is' : `${final.length} documents are`} without a name`,
      'leave out the name of exactly one document: it is the final output',
    );
  const ordered: Recipe[] = [];
  const done = new Set<Recipe>();
  const visit = (recipe: Recipe, above: readonly Recipe[]): void => {
    if (done.has(recipe)) return;
    if (above.includes(recipe)) {
      const cycle = [...above.slice(above.indexOf(recipe)), recipe];
      throw bad(
        `the documents ${cycle.map(({ name }) => `"${name}"`).join(' -> ')} need each other`,
        'break the cycle',
      );
    }
    for (const reference of referencesOf(recipe)) {
      for (const path of [reference.path, reference.lora?.path]) {
        const needed = path === undefined ? undefined : byName.get(path);
        if (needed !== undefined) visit(needed, [...above, recipe]);
      }
    }
    done.add(recipe);
    ordered.push(recipe);
  };
  for (const recipe of recipes) if (recipe.name !== undefined) visit(recipe, []);
  for (const recipe of final) visit(recipe, []);
  return ordered;
}

function bad(message: string, hint: string): MergeError {
  return new MergeError('bad_recipe', message, hint);
}
