/** The one step behind widening and shrinking: a unit group is made of chosen units, and each tensor's axis follows. */
import { type ParamEntry, ParamSpec } from '../../tensor/param-spec.js';
import { RecycleError } from './errors.js';
import type { UnitModel } from './layout.js';

export interface UnitChoice {
  /** Old unit of each new one. */
  readonly from: readonly number[];
  /** Factor on each new unit where a tensor sums over the group. */
  readonly inputFactor: readonly number[];
}

/**
 * Values are float32; a factor multiplies in float64 and is rounded once.
 *
 * @throws {RecycleError} if the model has no such group.
 */
export function chooseUnits(model: UnitModel, group: string, choice: UnitChoice): UnitModel {
  const units = model.spec.groups[group];
  if (units === undefined)
    throw new RecycleError(
      `the model has no unit group ${JSON.stringify(group)}`,
      `its groups are ${Object.keys(model.spec.groups).join(', ')}`,
    );
  const width = choice.from.length;
  const spec = withUnits(model.spec, group, width);
  const params = new Float32Array(spec.size);
  for (const entry of model.spec.entries) {
    const source = model.spec.slice(model.params, entry.name);
    let values = source;
    let shape = entry.shape;
    entry.axes.forEach((axis, i) => {
      if (axis.group !== group) return;
      const summed = model.inputAxis[entry.name] === i;
      values = alongAxis(values, shape, i, axis.inner, choice, summed);
      shape = shape.map((length, k) => (k === i ? width * axis.inner : length));
    });
    spec.slice(params, entry.name).set(values);
  }
  return { ...model, spec, params };
}

/** The layout with another number of units in one group. @throws {RecycleError} for a model that memory does not hold. */
export function withUnits(spec: ParamSpec, group: string, units: number): ParamSpec {
  const changed = new ParamSpec(
    spec.entries.map(({ name, kind, axes }) => {
      const grown = axes.map((axis) => (axis.group === group ? { ...axis, units } : axis));
      return { name, kind, axes: grown, shape: grown.map((axis) => axis.units * axis.inner) };
    }),
    spec.aliases,
  );
  checkSize(changed);
  return changed;
}

/** Parameters of a model in memory at most: 32 GB of float32. */
const MOST_PARAMETERS = 8e9;

/** @throws {RecycleError} for a model that is too large to be made in memory. */
export function checkSize({ size }: ParamSpec): void {
  if (size > MOST_PARAMETERS)
    throw new RecycleError(
      `the model would have ${size} parameters, more than can be grown in memory`,
      `stay below ${MOST_PARAMETERS} parameters`,
    );
}

function alongAxis(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
  inner: number,
  { from, inputFactor }: UnitChoice,
  summed: boolean,
): Float32Array {
  const before = product(shape.slice(0, axis));
  const after = product(shape.slice(axis + 1)) * inner;
  const oldUnits = shape[axis] / inner;
  const out = new Float32Array(before * from.length * after);
  for (let b = 0; b < before; b++)
    from.forEach((unit, u) => {
      const start = (b * oldUnits + unit) * after;
      const piece = values.subarray(start, start + after);
      const target = (b * from.length + u) * after;
      if (!summed || inputFactor[u] === 1) out.set(piece, target);
      else for (let i = 0; i < after; i++) out[target + i] = piece[i] * inputFactor[u];
    });
  return out;
}

/** Sum of |w| over everything that belongs to each unit: its incoming and outgoing weights, its bias, its norm. */
export function unitImportance(model: UnitModel, group: string): Float64Array {
  const importance = new Float64Array(model.spec.groups[group] ?? 0);
  for (const entry of model.spec.entries)
    entry.axes.forEach((axis, i) => {
      if (axis.group === group)
        addMagnitudes(importance, model.spec.slice(model.params, entry.name), entry, i);
    });
  return importance;
}

function addMagnitudes(
  sums: Float64Array,
  values: Float32Array,
  { shape, axes }: ParamEntry,
  axis: number,
): void {
  const after = product(shape.slice(axis + 1)) * axes[axis].inner;
  const { units } = axes[axis];
  for (let i = 0; i < values.length; i++) sums[Math.floor(i / after) % units] += Math.abs(values[i]);
}

function product(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total * length, 1);
}
