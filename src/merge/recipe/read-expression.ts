/** Recipes of the method `expression`: model arithmetic, which is a weighted sum. */
import type { Origin } from '../../config/errors.js';
import type { MapNode, Path } from '../../config/tree.js';
import { ExpressionError, type ModelWeights, parseExpression } from './expression.js';
import type { ModelReference } from './model-reference.js';
import type { Parameters } from './parameter-value.js';
import { readReference } from './read-models.js';
import { child, type RecipeReader, readText, refuse } from './reader.js';
import type { ModelEntry, Recipe } from './recipe.js';

export const EXPRESSION_METHOD = 'expression';
const REFUSED = ['slices', 'modules', 'base_model', 'parameters'] as const;

/** The recipe's method, models and parameters: those of `linear` without normalisation. */
export function readExpression(
  reader: RecipeReader,
  map: MapNode,
  start: Origin,
): Pick<Recipe, 'method' | 'models' | 'parameters'> {
  for (const key of REFUSED) {
    const given = map.entries.get(key);
    if (given !== undefined)
      refuse(
        reader,
        'bad_recipe',
        given.keyOrigin,
        [key],
        'does not go with an expression',
        'say it in the expression',
      );
  }
  const references = readNames(reader, map, start);
  const node = child(map, 'expression');
  const text = readText(reader, node, ['expression']);
  if (node === undefined)
    refuse(
      reader,
      'bad_recipe',
      start,
      ['expression'],
      'is missing',
      'write it, as base + 0.5 * (tuned - base)',
    );
  const weights =
    text === undefined ? undefined : weightsOf(reader, text, node?.origin ?? start, [...references.keys()]);
  for (const name of references.keys())
    if (weights !== undefined && !weights.has(name))
      reader.warnings.push(`models.${name} is not in the result of the expression`);
  const models = [...(weights ?? [])].map(
    ([name, weight]): ModelEntry => ({
      model: references.get(name) as ModelReference,
      parameters: numbers({ weight }),
      path: `models.${name}`,
    }),
  );
  return { method: 'linear', models, parameters: numbers({ normalize: 0 }) };
}

function readNames(reader: RecipeReader, map: MapNode, start: Origin): Map<string, ModelReference> {
  const models = child(map, 'models');
  const references = new Map<string, ModelReference>();
  if (models?.kind !== 'map') {
    const origin = models?.origin ?? start;
    refuse(
      reader,
      'bad_recipe',
      origin,
      ['models'],
      'must be a map of names in an expression',
      'write `models: {base: ./base, tuned: ./tuned}`',
    );
    return references;
  }
  for (const { key, keyOrigin, node } of models.entries.values()) {
    const path: Path = ['models', key];
    if (!/^[A-Za-z_]\w*$/.test(key))
      refuse(
        reader,
        'bad_recipe',
        keyOrigin,
        path,
        'is no name that an expression can have',
        'use letters, digits and _',
      );
    const reference = readReference(reader, node, path);
    if (reference !== undefined) references.set(key, reference);
  }
  return references;
}

function weightsOf(
  reader: RecipeReader,
  text: string,
  origin: Origin,
  names: readonly string[],
): ModelWeights | undefined {
  try {
    return parseExpression(text, names);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const { message, column, hint } = error;
    refuse(
      reader,
      'bad_recipe',
      origin,
      ['expression'],
      `${message} (character ${column} of ${JSON.stringify(text)})`,
      hint,
    );
    return undefined;
  }
}

function numbers(values: Readonly<Record<string, number>>): Parameters {
  return new Map(Object.entries(values).map(([name, setting]) => [name, { kind: 'setting', setting }]));
}
