/** Argument checks shared by the reference and WASM back ends; the native addon makes the same ones in C++. */
import { InvalidArgumentError } from '../errors.js';
import { type AnyArray, arrayOf } from './buffer.js';
import {
  type Dtype,
  evaluateLength,
  type KernelSpec,
  type ListArg,
  parseRequirement,
  symbolSources,
} from './define.js';
import {
  DtypeError,
  IndexRangeError,
  KernelLengthError,
  KernelShapeError,
  OffsetOrderError,
} from './errors.js';

export const arrayTypes = {
  f32: Float32Array,
  f64: Float64Array,
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
} as const satisfies Record<Dtype, unknown>;

/** The vectors of a list argument. */
export type VectorList = readonly (Float32Array | Uint16Array)[];

/** Arguments of one call, resolved: typed arrays (arrays of them for lists), numbers, and the free lengths. */
export interface CheckedCall {
  args: (AnyArray | VectorList | number)[];
  lengths: number[];
}

/** Makes the checker of a kernel: `check(args)` throws a typed error or returns the call ready to run. */
export function checker(name: string, spec: KernelSpec): (args: readonly unknown[]) => CheckedCall {
  const sources = symbolSources(spec);
  const requirements = (spec.requires ?? []).map((text) => ({ text, ...parseRequirement(text) }));
  return (received) => {
    if (received.length !== spec.args.length)
      throw new InvalidArgumentError(name, 'the call', `${spec.args.length} arguments`, received.length);
    const args = spec.args.map((arg, i) => {
      const value = received[i];
      if (arg.kind === 'vec') return expectArray(name, arg.name, arg.dtype, value);
      if (arg.kind === 'list') return expectList(name, arg.name, arg.dtype, value);
      return expectScalar(name, arg.name, arg.dtype, value);
    });
    const values: Record<string, number> = {};
    spec.args.forEach((arg, i) => {
      const value = args[i];
      if (arg.kind === 'scalar' && typeof value === 'number') values[arg.name] = value;
    });
    const lengths = sources.map(({ symbol, arg, factors, counts }) => {
      const value = args[arg];
      const size = counts && Array.isArray(value) ? value.length : sizeOf(value);
      const factor = factors.reduce((product, f) => product * evaluateLength(f, values), 1);
      values[symbol] = factor === 0 ? 0 : Math.floor(size / factor);
      return values[symbol];
    });
    for (const { text, left, relation, right } of requirements) {
      const a = evaluateLength(left, values);
      const b = evaluateLength(right, values);
      if (!(relation === '<=' ? a <= b : a > 0 && b % a === 0)) throw new KernelShapeError(name, text);
    }
    spec.args.forEach((arg, i) => {
      if (arg.kind === 'scalar') return;
      const value = args[i];
      const expected = evaluateLength(arg.length, values);
      if (arg.kind === 'list' && Array.isArray(value)) {
        for (const vector of value)
          if (vector.length !== expected)
            throw new KernelLengthError(name, arg.name, expected, vector.length);
        if (values.lists !== undefined && value.length !== values.lists)
          throw new KernelLengthError(name, arg.name, values.lists, value.length);
        return;
      }
      const size = sizeOf(value);
      const absent = arg.kind === 'vec' && arg.optional && size === 0;
      if (!absent && size !== expected) throw new KernelLengthError(name, arg.name, expected, size);
      if (arg.kind === 'vec' && arg.access === 'in' && arg.below && !/^\d+$/.test(arg.below))
        expectBelow(name, arg.name, value as AnyArray, evaluateLength(arg.below, values));
      if (arg.kind === 'vec' && arg.access === 'in' && arg.values === 'offsets')
        expectAscending(name, arg.name, value as AnyArray);
    });
    return { args, lengths };
  };
}

function sizeOf(value: AnyArray | VectorList | number): number {
  if (typeof value === 'number') return 0;
  return ArrayBuffer.isView(value) ? value.length : value[0].length;
}

function expectArray(kernel: string, name: string, dtype: Dtype, value: unknown): AnyArray {
  const array = isBuffer(value) ? arrayOf(value) : value;
  const type = arrayTypes[dtype];
  if (!(array instanceof type)) throw new DtypeError(kernel, name, type.name, nameOf(array));
  return array;
}

function isBuffer(
  value: unknown,
): value is { view(): AnyArray; length: number } & Parameters<typeof arrayOf>[0] {
  return typeof value === 'object' && value !== null && 'view' in value && typeof value.view === 'function';
}

function expectList(kernel: string, name: string, dtype: ListArg['dtype'], value: unknown): VectorList {
  if (!Array.isArray(value) || value.length === 0 || value.length > 256)
    throw new InvalidArgumentError(kernel, name, `an array of 1 to 256 ${arrayTypes[dtype].name}s`, value);
  return value.map(
    (element: unknown) => expectArray(kernel, name, dtype, element) as Float32Array | Uint16Array,
  );
}

function expectScalar(kernel: string, name: string, dtype: string, value: unknown): number {
  const integer = dtype === 'u32' || dtype === 'i32';
  const low = dtype === 'i32' ? -(2 ** 31) : 0;
  const high = dtype === 'i32' ? 2 ** 31 - 1 : 2 ** 32 - 1;
  const legal =
    typeof value === 'number' && (!integer || (Number.isInteger(value) && value >= low && value <= high));
  if (!legal)
    throw new InvalidArgumentError(
      kernel,
      name,
      integer ? `an integer from ${low} to ${high}` : 'a number',
      value,
    );
  // What C++ and WASM do with a float32 argument happens to the reference here.
  return dtype === 'f32' ? Math.fround(value) : value;
}

function expectBelow(kernel: string, name: string, index: AnyArray, bound: number): void {
  for (let i = 0; i < index.length; i++)
    if (!(index[i] >= 0 && index[i] < bound)) throw new IndexRangeError(kernel, name, i, bound);
}

function expectAscending(kernel: string, name: string, offsets: AnyArray): void {
  for (let i = 1; i < offsets.length; i++)
    if (offsets[i] < offsets[i - 1]) throw new OffsetOrderError(kernel, name, i);
}

function nameOf(value: unknown): string {
  return typeof value === 'object' ? (value?.constructor?.name ?? 'null') : typeof value;
}
