/** Values of a method's parameters for one tensor: the first scope that has one wins. */
import type { MergeMethod, ParameterSpec } from '../../combine/merge/method.js';
import { nearest } from '../../config/names.js';
import type { OutputTensor } from '../plan.js';
import { evaluateParameter, matches, type Parameters } from '../recipe/parameter-value.js';
import type { Recipe } from '../recipe/recipe.js';
import type { PlanProblem } from './problems.js';

export interface ParameterSource {
  readonly model: string;
  /**
   * Name that the tensor should have in this model: what filters of per-model parameters are held against, also where another stands in
   * for it.
   */
  readonly tensor: string;
  readonly parameters: Parameters;
}

export interface ParameterScope {
  readonly sources: readonly ParameterSource[];
  /** Slice, module, recipe: in order of precedence. */
  readonly shared: readonly Parameters[];
  /** Name of the output tensor. */
  readonly tensor: string;
  readonly position: number;
  readonly base: number;
}

export interface ResolvedParameters {
  readonly perModel: Record<string, number[]>;
  readonly global: Record<string, number>;
}

/** The methods that recipes may name. */
export interface MethodLookup {
  get(name: string): MergeMethod | undefined;
  readonly names: readonly string[];
}

/**
 * Per-model: the model's entry, slice, module, recipe, default. Global: the same without the entry. The base, which has no
 * weight of its own, gets 0 where nothing gives it a value.
 */
export function resolveParameters(
  method: MergeMethod,
  scope: ParameterScope,
  problems: PlanProblem[],
): ResolvedParameters {
  const perModel: Record<string, number[]> = {};
  const global: Record<string, number> = {};
  for (const spec of method.parameters) {
    if (spec.scope === 'global') {
      const value = firstValue(scope.shared, spec.name, scope.tensor, scope.position);
      const checked = settle(spec, value, scope.tensor, undefined, problems);
      if (checked !== undefined) global[spec.name] = checked;
      continue;
    }
    perModel[spec.name] = scope.sources.map((source, k) => {
      const value = firstValue(
        [source.parameters, ...scope.shared],
        spec.name,
        source.tensor,
        scope.position,
      );
      if (value === undefined && spec.default === undefined && k === scope.base) return 0;
      return settle(spec, value, source.tensor, source.model, problems) ?? Number.NaN;
    });
  }
  return { perModel, global };
}

function firstValue(
  scopes: readonly Parameters[],
  name: string,
  tensor: string,
  position: number,
): number | undefined {
  for (const scope of scopes) {
    const parameter = scope.get(name);
    const value = parameter && evaluateParameter(parameter, tensor, position);
    if (value !== undefined) return value;
  }
  return undefined;
}

function settle(
  spec: ParameterSpec,
  given: number | undefined,
  tensor: string,
  model: string | undefined,
  problems: PlanProblem[],
): number | undefined {
  const where = `${tensor}${model === undefined ? '' : ` of ${model}`}`;
  if (given === undefined) {
    if (spec.default !== undefined) return Number(spec.default);
    problems.push({
      className: 'missing_parameter',
      message: `${spec.name} is required and has no value for ${where}`,
      hint:
        spec.scope === 'model'
          ? `give ${spec.name} in the parameters of each model, or in those of the recipe for all`
          : `give ${spec.name} in the parameters of the recipe`,
      tensor,
      ...(model !== undefined && { model }),
    });
    return undefined;
  }
  if (spec.type === 'boolean') return given === 0 ? 0 : 1;
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = spec;
  if (given < min || given > max)
    problems.push({
      className: 'bad_parameter_setting',
      message: `${spec.name} is ${given} for ${where}, outside [${min}, ${max}]`,
      hint: `give ${spec.name} a value in [${min}, ${max}]`,
      tensor,
      ...(model !== undefined && { model }),
      expected: [min, max],
      actual: given,
    });
  return given;
}

/** Parameters that change nothing here, whatever the method, and that recipes carry along. */
const WITHOUT_EFFECT = ['int8_mask'];

interface NamedScope {
  readonly path: string;
  readonly parameters: Parameters;
  readonly ofModel: boolean;
}

/** Every place of a recipe that holds parameters. */
export function parameterScopes(recipe: Recipe): NamedScope[] {
  const scopes: NamedScope[] = [{ path: 'parameters', parameters: recipe.parameters, ofModel: false }];
  for (const inputs of [recipe, ...(recipe.modules ?? [])]) {
    for (const { path, parameters } of inputs.models ?? [])
      scopes.push({ path: `${path}.parameters`, parameters, ofModel: true });
    for (const slice of inputs.slices ?? []) {
      scopes.push({ path: `${slice.path}.parameters`, parameters: slice.parameters, ofModel: false });
      for (const { path, parameters } of slice.sources)
        scopes.push({ path: `${path}.parameters`, parameters, ofModel: true });
    }
  }
  for (const { name, parameters } of recipe.modules ?? [])
    scopes.push({ path: `modules.${name}.parameters`, parameters, ofModel: false });
  return scopes;
}

/** Names that no method knows are refused (in strict mode: noted); names of other methods and misplaced ones are noted. */
export function checkParameterNames(
  recipe: Recipe,
  method: MergeMethod,
  methods: MethodLookup,
  strict: boolean,
  problems: PlanProblem[],
  warnings: string[],
): void {
  const own = new Map(method.parameters.map((spec) => [spec.name, spec]));
  const known = new Set([
    ...WITHOUT_EFFECT,
    ...methods.names.flatMap((name) => methods.get(name)?.parameters.map((spec) => spec.name) ?? []),
  ]);
  for (const { path, parameters, ofModel } of parameterScopes(recipe))
    for (const name of parameters.keys()) {
      const spec = own.get(name);
      if (spec !== undefined) {
        if (ofModel && spec.scope === 'global')
          warnings.push(
            `${path}.${name} has no effect: ${name} holds for all models; move it out of the entry`,
          );
        if (strict && spec.extension)
          problems.push({
            className: 'unknown_key',
            message: `${path}.${name} is not a parameter that mergekit has`,
            hint: 'remove it, or plan the merge without the strict mode',
            recipePath: `${path}.${name}`,
          });
      } else if (known.has(name)) {
        if (!WITHOUT_EFFECT.includes(name))
          warnings.push(`${path}.${name} has no effect: ${method.name} has no such parameter`);
      } else if (strict) warnings.push(`${path}.${name} is unknown and ignored`);
      else {
        const near = nearest(name, [...own.keys()]);
        problems.push({
          className: 'unknown_key',
          message: `${path}.${name} is not a parameter of ${method.name}`,
          hint:
            near === undefined
              ? `remove it; parameters of ${method.name}: ${[...own.keys()].join(', ') || 'none'}`
              : `did you mean "${near}"?`,
          recipePath: `${path}.${name}`,
        });
      }
    }
}

/** Filters that no tensor's name contains: most often a misspelt part of a name. */
export function unusedFilters(recipe: Recipe, tensors: readonly string[]): string[] {
  const unused: string[] = [];
  for (const { path, parameters } of parameterScopes(recipe))
    for (const [name, value] of parameters)
      for (const filter of value.kind === 'conditional' ? value.cases.map((one) => one.filter) : [])
        if (!tensors.some((tensor) => matches(filter, tensor)))
          unused.push(`${path}.${name}: no tensor's name contains the filter ${JSON.stringify(filter)}`);
  return unused;
}

/** Weights of both signs that are normalised by their sum: it can come near 0 and blow the result up. */
export function mixedSigns(outputs: readonly OutputTensor[]): string[] {
  const mixed = outputs.filter(({ method, perModel, global, base }) => {
    const normalized = global.normalize === 1 || global.normalize_weights === 1;
    const weights = (perModel.weight ?? []).filter((_, k) => k !== base || method?.base !== 'required');
    return normalized && weights.some((w) => w > 0) && weights.some((w) => w < 0);
  });
  const [first] = mixed;
  if (first === undefined) return [];
  const tensors = mixed.length === 1 ? first.name : `${mixed.length} tensors, as ${first.name}`;
  return [
    `weights of both signs are normalised by their sum in ${tensors}: it may come near 0; set normalize: false to add and subtract`,
  ];
}
