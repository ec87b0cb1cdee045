import type { ConfigProblem, Origin } from '../../config/errors.js';
import { nearest, VERBATIM_KEYS } from '../../config/names.js';
import type { ConfigNode, MapNode } from '../../config/tree.js';
import { parseYamlDocuments } from '../../config/yaml.js';
import { RecipeError } from '../errors.js';
import { EXPRESSION_METHOD, readExpression } from './read-expression.js';
import { readInputs, readReference } from './read-models.js';
import { readParameters } from './read-parameters.js';
import { readTokenizer, readTokenizerSource } from './read-tokenizer.js';
import { child, type RecipeReader, readList, readMap, readText, refuse, show } from './reader.js';
import type { MergeInputs, Recipe, RecipeDtype, RecipeModule } from './recipe.js';

export interface ParseRecipeOptions {
  /** Name that messages give the text. Default: `recipe`. */
  readonly source?: string;
  /** Reproduces the reference tool's tolerance of unknown keys. Default: false. */
  readonly strict?: boolean;
}

const RECIPE_KEYS = [
  'merge_method',
  'models',
  'slices',
  'modules',
  'base_model',
  'parameters',
  'dtype',
  'out_dtype',
  'tokenizer_source',
  'tokenizer',
  'chat_template',
  'name',
] as const;
/** Keys of heddle's own, which the reference tool does not know. */
const OWN_KEYS = ['outside_layers', 'merge_input_scales', 'expression'] as const;

const DTYPES: Readonly<Record<string, RecipeDtype>> = {
  bfloat16: 'BF16',
  float16: 'F16',
  float32: 'F32',
  float64: 'F64',
  int64: 'I64',
};

/**
 * Reads a recipe of one document.
 *
 * @throws {RecipeError} with every problem found; its class is that of the first.
 */
export function parseRecipe(text: string, options: ParseRecipeOptions = {}): Recipe {
  const recipes = parseRecipes(text, options);
  const [recipe, second] = recipes;
  if (recipe !== undefined && second === undefined) return recipe;
  const source = options.source ?? 'recipe';
  throw new RecipeError([
    {
      className: 'bad_recipe',
      source,
      line: 1,
      column: 1,
      path: '',
      message: `holds ${recipes.length} documents where one is expected`,
      hint: recipes.length === 0 ? 'write merge_method and models' : 'keep one document',
    },
  ]);
}

/** Reads all documents of a recipe, in the order of the text; `documentOrder` puts them in order of need. */
export function parseRecipes(text: string, options: ParseRecipeOptions = {}): Recipe[] {
  const syntax: ConfigProblem[] = [];
  const documents = parseYamlDocuments(text, options.source ?? 'recipe', syntax, VERBATIM_KEYS);
  if (syntax.length > 0)
    throw new RecipeError(syntax.map((problem) => ({ ...problem, className: 'bad_recipe' })));
  const reader: RecipeReader = { problems: [], warnings: [], strict: options.strict ?? false };
  const recipes = documents
    .filter(({ node }) => node.kind !== 'leaf' || node.value !== null)
    .map(({ node, origin }) => readRecipe({ ...reader, warnings: [] }, node, origin));
  if (reader.problems.length > 0) throw new RecipeError(reader.problems);
  return recipes.filter((recipe) => recipe !== undefined);
}

function readRecipe(reader: RecipeReader, node: ConfigNode, start: Origin): Recipe | undefined {
  const map = readMap(reader, node, [], reader.strict ? RECIPE_KEYS : [...RECIPE_KEYS, ...OWN_KEYS]);
  if (map === undefined) return undefined;
  const method = readText(reader, child(map, 'merge_method'), ['merge_method']);
  if (method === undefined && child(map, 'merge_method') === undefined)
    refuse(reader, 'bad_recipe', start, ['merge_method'], 'is missing', 'name the method, as linear or ties');
  exclusiveInputs(reader, map, start);
  const tokenizer = child(map, 'tokenizer');
  const legacy = child(map, 'tokenizer_source');
  if (tokenizer !== undefined && legacy !== undefined)
    refuse(
      reader,
      'config_exclusive',
      map.entries.get('tokenizer')?.keyOrigin ?? start,
      ['tokenizer'],
      'and tokenizer_source are both given',
      'keep tokenizer',
    );
  const legacySource = readTokenizerSource(reader, legacy, ['tokenizer_source']);
  const setting =
    readTokenizer(reader, tokenizer, ['tokenizer']) ??
    (legacySource === undefined ? undefined : { source: legacySource, tokens: [] });
  const modules = readModules(reader, child(map, 'modules'));
  const baseModel = readReference(reader, child(map, 'base_model'), ['base_model']);
  const dtype = readDtype(reader, child(map, 'dtype'), 'dtype');
  const outDtype = readDtype(reader, child(map, 'out_dtype'), 'out_dtype');
  const chatTemplate = readText(reader, child(map, 'chat_template'), ['chat_template']);
  const name = readText(reader, child(map, 'name'), ['name']);
  const expression =
    method === EXPRESSION_METHOD && !reader.strict ? readExpression(reader, map, start) : undefined;
  const parameters =
    expression === undefined
      ? readParameters(reader, child(map, 'parameters'), ['parameters'])
      : expression.parameters;
  const inputs: MergeInputs =
    expression === undefined ? readInputs(reader, child(map, 'models'), child(map, 'slices'), []) : {};
  const ownKeys = reader.strict ? {} : readOwnKeys(reader, map, method, inputs.slices !== undefined);
  return {
    method: method ?? '',
    ...inputs,
    ...(modules && { modules }),
    ...(baseModel && { baseModel }),
    parameters,
    ...(dtype && { dtype }),
    ...(outDtype && { outDtype }),
    ...(setting && { tokenizer: setting }),
    ...(chatTemplate && { chatTemplate }),
    ...(name && { name }),
    ...ownKeys,
    ...expression,
    origin: map.entries.get('merge_method')?.keyOrigin ?? start,
    warnings: reader.warnings,
  };
}

function readOwnKeys(
  reader: RecipeReader,
  map: MapNode,
  method: string | undefined,
  sliced: boolean,
): Pick<Recipe, 'outsideLayers' | 'inputScales'> {
  const expression = map.entries.get('expression');
  if (expression !== undefined && method !== EXPRESSION_METHOD)
    refuse(
      reader,
      'bad_recipe',
      expression.keyOrigin,
      ['expression'],
      'goes with the method expression',
      'write `merge_method: expression`, or remove it',
    );
  const outside = child(map, 'outside_layers');
  const scales = child(map, 'merge_input_scales');
  if (outside !== undefined && !(sliced && method === 'passthrough'))
    refuse(
      reader,
      'bad_recipe',
      outside.origin,
      ['outside_layers'],
      'goes with slices of the method passthrough',
      'remove it: other recipes merge what is outside the layers as well',
    );
  if (scales !== undefined && !sliced)
    refuse(
      reader,
      'bad_recipe',
      scales.origin,
      ['merge_input_scales'],
      'goes with slices',
      'choose layers with `slices:`',
    );
  const outsideLayers = readReference(reader, outside, ['outside_layers']);
  const inputScales = readList(reader, scales, ['merge_input_scales'])?.map((item, i) => {
    if (item.kind === 'leaf' && typeof item.value === 'number' && Number.isFinite(item.value))
      return item.value;
    const path = ['merge_input_scales', i];
    refuse(reader, 'bad_recipe', item.origin, path, `is ${show(item)}`, 'write a finite number');
    return 1;
  });
  return { ...(outsideLayers && { outsideLayers }), ...(inputScales && { inputScales }) };
}

function isGiven(node: ConfigNode | undefined): boolean {
  if (node === undefined) return false;
  if (node.kind === 'list') return node.items.length > 0;
  return node.kind !== 'map' || node.entries.size > 0;
}

function exclusiveInputs(reader: RecipeReader, map: MapNode, start: Origin): void {
  const given = ['models', 'slices', 'modules'].filter((key) => isGiven(child(map, key)));
  if (given.length === 1) return;
  refuse(
    reader,
    'config_exclusive',
    map.entries.get(given[1] ?? '')?.keyOrigin ?? start,
    [],
    given.length === 0
      ? 'has none of models, slices and modules'
      : `has ${given.join(' and ')} where one is allowed`,
    'give exactly one of models, slices and modules',
  );
}

function readModules(reader: RecipeReader, node: ConfigNode | undefined): RecipeModule[] | undefined {
  if (node === undefined) return undefined;
  if (node.kind !== 'map') {
    refuse(
      reader,
      'bad_recipe',
      node.origin,
      ['modules'],
      'must be a map from module to inputs',
      'name modules',
    );
    return undefined;
  }
  if (node.entries.size === 0) return undefined;
  return [...node.entries.values()].flatMap(({ key, node: item }) => {
    const path = ['modules', key];
    const map = readMap(reader, item, path, ['models', 'slices', 'parameters']);
    if (map === undefined) return [];
    if (isGiven(child(map, 'models')) === isGiven(child(map, 'slices')))
      refuse(
        reader,
        'config_exclusive',
        item.origin,
        path,
        'needs exactly one of models and slices',
        'give one of the two',
      );
    return [
      {
        name: key,
        ...readInputs(reader, child(map, 'models'), child(map, 'slices'), path),
        parameters: readParameters(reader, child(map, 'parameters'), [...path, 'parameters']),
      },
    ];
  });
}

function readDtype(reader: RecipeReader, node: ConfigNode | undefined, key: string): RecipeDtype | undefined {
  const text = readText(reader, node, [key]);
  if (node === undefined || text === undefined) return undefined;
  const name = text.replace(/^torch\./, '');
  const dtype = Object.hasOwn(DTYPES, name) ? DTYPES[name] : undefined;
  if (dtype !== undefined) return dtype;
  const near = nearest(name, Object.keys(DTYPES));
  refuse(
    reader,
    'bad_dtype',
    node.origin,
    [key],
    `is ${JSON.stringify(text)}, which is not a type that merges compute in`,
    `${near === undefined ? '' : `did you mean "${near}"? `}known types: ${Object.keys(DTYPES).join(', ')}`,
  );
  return undefined;
}
