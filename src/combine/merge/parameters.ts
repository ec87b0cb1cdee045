/** Reading the settled parameters of a tensor. */
import type { MergeMethod, ParameterSpec, TensorContext } from './method.js';

export const required = (
  name: string,
  scope: ParameterSpec['scope'],
  bounds: { min?: number; max?: number } = {},
): ParameterSpec => ({ name, scope, type: 'number', ...bounds });

export const optional = (
  name: string,
  scope: ParameterSpec['scope'],
  value: number | boolean,
  bounds: { min?: number; max?: number } = {},
): ParameterSpec => ({
  name,
  scope,
  type: typeof value === 'boolean' ? 'boolean' : 'number',
  default: value,
  ...bounds,
});

/** Words that parameters may have as values, by parameter; the value of a method is the index. */
export const parameterChoices = {
  rescale_norm: ['l1', 'expectation', 'none'],
  trim_scope: ['tensor', 'model'],
} as const;

/** A global parameter whose value is a word; the default is the first. */
export const choice = (name: keyof typeof parameterChoices): ParameterSpec => ({
  name,
  scope: 'global',
  type: 'choice',
  choices: parameterChoices[name],
  default: 0,
  extension: true,
});

const numberOf = (value: number | boolean | undefined): number => (value === undefined ? 0 : Number(value));

const defaultOf = (method: MergeMethod, name: string): number =>
  numberOf(method.parameters.find((parameter) => parameter.name === name)?.default);

/** A global parameter, or its default. */
export const globalOf = (method: MergeMethod, context: TensorContext, name: string): number =>
  context.global[name] ?? defaultOf(method, name);

/** A parameter of every input in order, or its default. */
export const perModelOf = (method: MergeMethod, context: TensorContext, name: string): number[] =>
  context.models.map((_, k) => context.perModel[name]?.[k] ?? defaultOf(method, name));

/** Indices of the inputs that are not the base. */
export const othersOf = (context: TensorContext): number[] =>
  context.models.map((_, k) => k).filter((k) => k !== context.base);

/** Values of `array` at `indices`. */
export const pick = <T>(array: readonly T[], indices: readonly number[]): T[] => indices.map((k) => array[k]);

/** Global parameters as a report shows them: choices by their words. */
export const inWords = (
  method: MergeMethod | undefined,
  global: Readonly<Record<string, number>>,
): Record<string, number | string> =>
  Object.fromEntries(
    Object.entries(global).map(([name, value]) => [
      name,
      method?.parameters.find((spec) => spec.name === name)?.choices?.[value] ?? value,
    ]),
  );
