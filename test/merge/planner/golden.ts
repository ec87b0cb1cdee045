/** Models of the golden cases as the planner sees them: read from the files' headers without the library's reader. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMergeMethod, mergeMethods } from '../../../src/combine/merge/registry.js';
import type { MergePlan } from '../../../src/merge/plan.js';
import type { MethodLookup } from '../../../src/merge/planner/parameters.js';
import { type PlanOptions, planMerge } from '../../../src/merge/planner/planner.js';
import type { ModelFacts, TensorFacts } from '../../../src/merge/planner/sources.js';
import { parseRecipe } from '../../../src/merge/recipe/parse.js';
import { referencesOf } from '../../../src/merge/recipe/recipe.js';

export const GOLDEN = new URL('../../golden/merge/', import.meta.url).pathname;

export const METHODS: MethodLookup = {
  get: findMergeMethod,
  names: mergeMethods.map(({ name }) => name),
};

export function readHeader(file: string): Map<string, TensorFacts> {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, TensorFacts>;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
  );
}

export function readFacts(folder: string): ModelFacts {
  const tensors = new Map(
    readdirSync(folder)
      .filter((name) => name.endsWith('.safetensors'))
      .sort()
      .flatMap((name) => [...readHeader(join(folder, name))]),
  );
  const json = <T>(name: string) =>
    existsSync(join(folder, name)) ? (JSON.parse(readFileSync(join(folder, name), 'utf8')) as T) : undefined;
  const config = json<Record<string, unknown>>('config.json');
  const stub = json<{ vocab: Record<string, number>; added: string[] }>('tokenizer_stub.json');
  return {
    path: folder,
    tensors,
    ...(config && { config }),
    ...(stub && { tokenizer: { tokens: new Map(Object.entries(stub.vocab)), added: stub.added } }),
  };
}

export function planCase(name: string, options: Partial<PlanOptions> = {}): MergePlan {
  const folder = join(GOLDEN, name);
  const text = readFileSync(join(folder, 'recipe.yml'), 'utf8');
  return planText(text, (path) => readFacts(join(folder, path)), options, name);
}

export function planText(
  text: string,
  factsOf: (path: string) => ModelFacts,
  options: Partial<PlanOptions> = {},
  source = 'recipe.yml',
): MergePlan {
  const recipe = parseRecipe(text, { source, strict: options.strict });
  const models = new Map(referencesOf(recipe).map((one) => [one.text, factsOf(one.path)]));
  return planMerge(recipe, models, { methods: METHODS, ...options });
}
