/**
 * Factors on the hidden state that enters each layer, as data-flow searches find them (arXiv 2403.13187, section 3.2). No weight of a
 * pre-norm block can hold them, so they stand in the configuration, and no merge drops them silently.
 */
import { MergeError } from '../errors.js';
import type { Recipe } from '../recipe/recipe.js';
import type { LoadedModel } from './tensor.js';

/** Key of config.json. */
export const INPUT_SCALES = 'merge_input_scales';

/**
 * The recipe's factors, after a look at those of its models.
 *
 * @param layers - that the slices make.
 * @throws {MergeError} if there is not one a layer, or if models have factors that the output would lose.
 */
export function plannedInputScales(
  { inputScales, slices, modules }: Recipe,
  merged: readonly LoadedModel[],
  layers: number | undefined,
): readonly number[] | undefined {
  if (inputScales !== undefined) {
    if (inputScales.length === layers) return inputScales;
    throw new MergeError(
      'bad_recipe',
      `${INPUT_SCALES} has ${inputScales.length} factors and the slices make ${layers ?? 0} layers`,
      'give one factor a layer of the output',
      { recipePath: INPUT_SCALES, expected: layers, actual: inputScales.length },
    );
  }
  const own = merged.map(({ text, facts }) => ({
    text,
    scales: JSON.stringify(facts.config?.[INPUT_SCALES]),
  }));
  const cut = slices !== undefined || modules?.some((module) => module.slices !== undefined) === true;
  const lost = own.find(({ scales }) => scales !== undefined && (cut || scales !== own[0].scales));
  const different = own.find(({ scales }) => scales !== own[0].scales);
  if ((cut ? lost : different) === undefined) return undefined;
  const { text } = lost ?? own[0];
  throw new MergeError(
    'bad_recipe',
    `${text} needs the ${INPUT_SCALES} of its config.json, which the output would not have`,
    cut
      ? `give the recipe ${INPUT_SCALES}: one factor a layer of the output`
      : `merge models with the same ${INPUT_SCALES}`,
    { model: text, recipePath: INPUT_SCALES },
  );
}
