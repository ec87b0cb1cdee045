/** Values of parameters: scalars, gradients over layer position, and conditionals by tensor name. */

/** One number, or numbers interpolated over layer position. */
export type Setting = number | readonly number[];

export interface Conditional {
  readonly value: Setting;
  /** Substring of the tensor's name; absent or `*`: any. */
  readonly filter?: string;
}

export type ParameterValue =
  | { readonly kind: 'setting'; readonly setting: Setting }
  | { readonly kind: 'conditional'; readonly cases: readonly Conditional[] };

export type Parameters = ReadonlyMap<string, ParameterValue>;

export const NO_PARAMETERS: Parameters = new Map();

/**
 * The value for one tensor, or undefined where no conditional applies.
 *
 * @param tensor - name that filters are held against: plain substring, case-sensitive.
 * @param position - of the layer, in [0, 1].
 */
export function evaluateParameter(
  value: ParameterValue,
  tensor: string,
  position: number,
): number | undefined {
  if (value.kind === 'setting') return evaluateSetting(value.setting, position);
  const found = value.cases.find(({ filter }) => matches(filter, tensor));
  return found === undefined ? undefined : evaluateSetting(found.value, position);
}

export function matches(filter: string | undefined, tensor: string): boolean {
  return filter === undefined || filter === '*' || tensor.includes(filter);
}

/** Linear interpolation of a gradient of L >= 1 numbers: p = t (L - 1), between elements floor(p) and the next. */
export function evaluateSetting(setting: Setting, position: number): number {
  if (typeof setting === 'number') return setting;
  const p = position * (setting.length - 1);
  const i = Math.floor(p);
  const j = Math.min(setting.length - 1, i + 1);
  const fraction = p - i;
  return (1 - fraction) * setting[i] + fraction * setting[j];
}

/** Position of layer `index` of a slice of `count` layers; a slice of one layer is at its end. */
export function layerPosition(index: number, count: number): number {
  return count > 1 ? index / (count - 1) : 1;
}
