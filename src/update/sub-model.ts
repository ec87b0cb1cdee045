/** Cutting a sub-model out of a flat model by unit groups, and putting its values back where they came from. */
import { InvalidArgumentError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import type { ParamAxis, ParamEntry, ParamSpec } from '../tensor/param-spec.js';

export type KeptUnits = ReadonlyMap<string, Uint32Array>;

/**
 * Unit groups that may lose units: hidden layers, whose units are rows of one weight and columns of another, with at least
 * `minUnits` of them. Inputs and outputs of the model are never cut, nor is the width of an embedding, nor a group that
 * lies on the third or a later axis of a tensor.
 */
export function croppableGroups(spec: ParamSpec, minUnits = 4): string[] {
  const produced = new Set<string>();
  const consumed = new Set<string>();
  const fixed = new Set<string>();
  for (const { axes, kind } of spec.entries)
    axes.forEach(({ group }, axis) => {
      if (group === undefined) return;
      if (kind === 'embedding' || axis > 1) fixed.add(group);
      // A vector (bias, norm scale) belongs to the units of a group and makes none: a normalised input stays an input.
      if (axis > 0) consumed.add(group);
      else if (axes.length > 1) produced.add(group);
    });
  return Object.keys(spec.groups).filter(
    (group) =>
      produced.has(group) && consumed.has(group) && !fixed.has(group) && spec.groups[group] >= minUnits,
  );
}

/** Layout of the sub-model that keeps these units; the full layout itself where nothing is cut. */
export function subModelSpec(spec: ParamSpec, kept: KeptUnits): ParamSpec {
  if (kept.size === 0) return spec;
  return spec.atWidths(Object.fromEntries([...kept].map(([group, units]) => [group, units.length])));
}

/** One tensor as rows of columns of `inner` consecutive elements, which is what the gather kernels move. */
interface Blocks {
  rows: Uint32Array;
  columns: Uint32Array;
  rowCount: number;
  columnCount: number;
  inner: number;
}

const identities = new Map<number, Uint32Array>();
function identity(n: number): Uint32Array {
  let known = identities.get(n);
  if (!known) {
    known = Uint32Array.from({ length: n }, (_, i) => i);
    identities.set(n, known);
  }
  return known;
}

/** Kept units of an axis, each of which stands for `axis.inner` consecutive positions that stay together. */
function unitsOf(axis: ParamAxis | undefined, kept: KeptUnits): { index: Uint32Array; total: number } {
  if (axis === undefined) return { index: identity(1), total: 1 };
  const units = axis.group === undefined ? undefined : kept.get(axis.group);
  return { index: units ?? identity(axis.units), total: axis.units };
}

/** The same as single positions: rows are moved one by one. */
function rowsOf(axis: ParamAxis | undefined, kept: KeptUnits): { index: Uint32Array; total: number } {
  const { index, total } = unitsOf(axis, kept);
  const inner = axis?.inner ?? 1;
  if (inner === 1) return { index, total };
  const rows = Uint32Array.from({ length: index.length * inner }, (_, i) => {
    return index[Math.floor(i / inner)] * inner + (i % inner);
  });
  return { index: rows, total: total * inner };
}

function blocksOf(entry: ParamEntry, kept: KeptUnits): Blocks | undefined {
  const [first, second, ...rest] = entry.axes;
  const cut = (axis: ParamAxis): boolean => axis.group !== undefined && kept.has(axis.group);
  if (rest.some(cut))
    throw new InvalidArgumentError(
      'sub-model',
      `tensor '${entry.name}'`,
      'cut on its first two axes only',
      entry.shape.join(' x '),
    );
  if (!entry.axes.some(cut)) return undefined;
  const rows = rowsOf(first, kept);
  const columns = unitsOf(second, kept);
  const inner = rest.reduce((product, axis) => product * axis.units * axis.inner, second?.inner ?? 1);
  return {
    rows: rows.index,
    columns: columns.index,
    rowCount: rows.total,
    columnCount: columns.total,
    inner,
  };
}

/**
 * Copies the kept units of `full` (layout `spec`) into `sub` (layout `subSpec`).
 *
 * A dense layer behind a flattened image loses whole channels: unit c owns `inner` consecutive columns.
 * @throws {InvalidArgumentError} for a group on a third or later axis.
 */
export function extractSubModel(
  kernels: Kernels,
  spec: ParamSpec,
  subSpec: ParamSpec,
  kept: KeptUnits,
  full: Float32Array,
  sub: Float32Array,
): void {
  for (const entry of spec.entries)
    moveUnits(
      kernels.gatherBlocksF32,
      blocksOf(entry, kept),
      subSpec.slice(sub, entry.name),
      spec.slice(full, entry.name),
    );
}

/** Writes `sub` into the places of its units in `full`; all other elements of `full` stay. Throws as `extractSubModel`. */
export function embedSubModel(
  kernels: Kernels,
  spec: ParamSpec,
  subSpec: ParamSpec,
  kept: KeptUnits,
  sub: Float32Array,
  full: Float32Array,
): void {
  for (const entry of spec.entries)
    moveUnits(
      kernels.scatterBlocksF32,
      blocksOf(entry, kept),
      spec.slice(full, entry.name),
      subSpec.slice(sub, entry.name),
    );
}

/** A tensor of which nothing is cut is copied whole. */
function moveUnits(
  move: Kernels['gatherBlocksF32'],
  blocks: Blocks | undefined,
  to: Float32Array,
  from: Float32Array,
): void {
  if (!blocks) to.set(from);
  else move(to, from, blocks.rows, blocks.columns, blocks.rowCount, blocks.columnCount, blocks.inner);
}

/** 1 for every element of the full layout that the sub-model holds. */
export function holderMask(
  kernels: Kernels,
  spec: ParamSpec,
  subSpec: ParamSpec,
  kept: KeptUnits,
): Uint8Array {
  const ones = new Float32Array(subSpec.size).fill(1);
  const full = new Float32Array(spec.size);
  embedSubModel(kernels, spec, subSpec, kept, ones, full);
  return new Uint8Array(full);
}
