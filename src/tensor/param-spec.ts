/**
 * What the numbers of a flat model vector are: names, shapes, kinds, unit groups and offsets.
 *
 * The values of a model are one contiguous float32 vector in the order of the entries, without padding. A layer, a
 * neuron or a low-rank factor is a slice of it.
 */
import { HeddleError, InvalidArgumentError, ShapeMismatchError } from '../errors.js';

export const paramKinds = [
  'weight',
  'bias',
  'norm-weight',
  'norm-stat',
  'embedding',
  'prompt',
  'gate',
  'head',
  'modulator',
  'generator',
] as const;
export type ParamKind = (typeof paramKinds)[number];

/**
 * One axis of a tensor as units: `units * inner` elements, `inner` consecutive ones for each unit of `group`.
 * A dense layer behind a flattened 64 x 7 x 7 image has 64 units with 49 elements each on its input axis.
 */
export interface ParamAxis {
  /** Name of the unit group, shared by every axis that its units cross (`fc1.out` is also the input axis of `fc2`). */
  readonly group?: string;
  readonly units: number;
  readonly inner: number;
}

export interface ParamEntry {
  readonly name: string;
  readonly kind: ParamKind;
  readonly shape: readonly number[];
  readonly axes: readonly ParamAxis[];
  /** First element in the flat vector. */
  readonly offset: number;
  /** Elements: the product of `shape`. */
  readonly size: number;
}

/** An entry before it has a place. Axes without unit groups may be left out. */
export interface ParamDefinition {
  readonly name: string;
  readonly kind: ParamKind;
  readonly shape: readonly number[];
  readonly axes?: readonly ParamAxis[];
}

export interface ParamSpecJson {
  readonly entries: readonly ParamDefinition[];
  readonly aliases?: Readonly<Record<string, string>>;
}

/** A spec, or what claims to be one, contradicts itself. */
export class ParamSpecError extends HeddleError {
  constructor(
    /** The entry, alias or group that is wrong. */
    readonly entry: string,
    problem: string,
    hint: string,
  ) {
    super('ERR_PARAM_SPEC', `parameter '${entry}': ${problem}`, hint);
  }
}

/** Immutable layout of a flat model vector. */
export class ParamSpec {
  readonly entries: readonly ParamEntry[];
  /** Elements of the whole vector. */
  readonly size: number;
  /** Other names of stored tensors: alias to name. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Units of every unit group. */
  readonly groups: Readonly<Record<string, number>>;
  readonly #byName: ReadonlyMap<string, ParamEntry>;

  /**
   * Lays out tensors one after another in the order given.
   *
   * @throws {ParamSpecError} for a repeated or empty name, a shape with a non-positive axis, axes that do not multiply to the
   *   shape, a unit group with two widths, or an alias of nothing.
   */
  constructor(definitions: readonly ParamDefinition[], aliases: Readonly<Record<string, string>> = {}) {
    const byName = new Map<string, ParamEntry>();
    // Without a prototype: a tensor or a group may be called `constructor`.
    const groups: Record<string, number> = Object.create(null);
    let offset = 0;
    for (const definition of definitions) {
      const entry = place(definition, offset);
      if (byName.has(entry.name))
        throw new ParamSpecError(entry.name, 'is defined twice', 'give every tensor its own name');
      for (const { group, units } of entry.axes) {
        if (group === undefined) continue;
        if (groups[group] !== undefined && groups[group] !== units)
          throw new ParamSpecError(
            entry.name,
            `unit group '${group}' has ${units} units here and ${groups[group]} before`,
            'axes of one unit group have the same number of units',
          );
        groups[group] = units;
      }
      byName.set(entry.name, entry);
      offset += entry.size;
    }
    for (const [alias, name] of Object.entries(aliases))
      if (byName.has(alias) || !byName.has(name))
        throw new ParamSpecError(
          alias,
          byName.has(alias)
            ? 'is both a tensor and an alias'
            : `is an alias of '${name}', which is not there`,
          'an alias is a further name of a tensor of the spec',
        );
    this.entries = [...byName.values()];
    this.size = offset;
    this.aliases = Object.assign(Object.create(null), aliases);
    this.groups = groups;
    this.#byName = byName;
    Object.freeze(this);
  }

  has(name: string): boolean {
    return this.#byName.has(this.aliases[name] ?? name);
  }

  /** The entry of a name or alias. @throws {ParamSpecError} if there is none. */
  get(name: string): ParamEntry {
    const entry = this.#byName.get(this.aliases[name] ?? name);
    if (!entry)
      throw new ParamSpecError(
        name,
        'is not in the spec',
        `names are ${this.entries.map((each) => each.name).join(', ')}`,
      );
    return entry;
  }

  /**
   * View of one tensor in a flat vector of this spec; no copy, any element type.
   *
   * @throws {ShapeMismatchError} if `flat` has another length than the spec.
   */
  slice<T extends { readonly length: number; subarray(begin: number, end: number): T }>(
    flat: T,
    name: string,
  ): T {
    const { offset, size } = this.get(name);
    if (flat.length !== this.size)
      throw new ShapeMismatchError(
        'ParamSpec.slice',
        [this.size],
        [flat.length],
        'pass a flat vector that was made for this spec',
      );
    return flat.subarray(offset, offset + size);
  }

  /**
   * The same model with other numbers of units: shapes shrink or grow on every axis of a group, offsets are laid out anew.
   *
   * @param widths - units by group; groups that are not named keep theirs.
   * @throws {InvalidArgumentError} for an unknown group or a width that is not a positive integer.
   */
  atWidths(widths: Readonly<Record<string, number>>): ParamSpec {
    for (const [group, units] of Object.entries(widths)) {
      if (this.groups[group] === undefined)
        throw new InvalidArgumentError(
          'ParamSpec.atWidths',
          `group '${group}'`,
          `one of ${Object.keys(this.groups).join(', ')}`,
          group,
        );
      if (!Number.isInteger(units) || units < 1)
        throw new InvalidArgumentError(
          'ParamSpec.atWidths',
          `width of '${group}'`,
          'a positive integer',
          units,
        );
    }
    const resized = this.entries.map((entry) => {
      const axes = entry.axes.map((axis) => ({
        ...axis,
        units:
          axis.group !== undefined && Object.hasOwn(widths, axis.group) ? widths[axis.group] : axis.units,
      }));
      return { name: entry.name, kind: entry.kind, shape: axes.map((a) => a.units * a.inner), axes };
    });
    return new ParamSpec(resized, this.aliases);
  }

  toJSON(): ParamSpecJson {
    const entries = this.entries.map(({ name, kind, shape, axes }) => ({ name, kind, shape, axes }));
    return Object.keys(this.aliases).length > 0 ? { entries, aliases: this.aliases } : { entries };
  }

  /** Reads the JSON form; everything in it is checked. */
  static fromJSON(json: unknown): ParamSpec {
    const { entries, aliases } = (json ?? {}) as Partial<ParamSpecJson>;
    if (!Array.isArray(entries))
      throw new InvalidArgumentError('ParamSpec.fromJSON', 'entries', 'a list of tensors', entries);
    if (aliases !== undefined && (typeof aliases !== 'object' || aliases === null))
      throw new InvalidArgumentError('ParamSpec.fromJSON', 'aliases', 'a map from alias to name', aliases);
    return new ParamSpec(entries, aliases);
  }
}

function place(definition: ParamDefinition, offset: number): ParamEntry {
  const { name, kind, shape } = definition;
  if (typeof name !== 'string' || name === '')
    throw new ParamSpecError(String(name), 'has no name', 'name every tensor, as in fc1.weight');
  if (!paramKinds.includes(kind))
    throw new ParamSpecError(name, `has the unknown kind '${kind}'`, `kinds are ${paramKinds.join(', ')}`);
  if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n > 0))
    throw new ParamSpecError(name, `has the shape [${shape}]`, 'every axis is a positive integer');
  const axes = definition.axes ?? shape.map((units) => ({ units, inner: 1 }));
  const agree =
    Array.isArray(axes) &&
    axes.length === shape.length &&
    axes.every(
      (a, i) => Number.isInteger(a.units) && Number.isInteger(a.inner) && a.units * a.inner === shape[i],
    );
  if (!agree)
    throw new ParamSpecError(name, `has axes that do not multiply to [${shape}]`, 'axis = units * inner');
  const size = shape.reduce((product, n) => product * n, 1);
  if (!Number.isSafeInteger(offset + size))
    throw new ParamSpecError(name, `with shape [${shape}] is too large`, 'use smaller tensors');
  return Object.freeze({ name, kind, shape: [...shape], axes: axes.map((a) => ({ ...a })), offset, size });
}
