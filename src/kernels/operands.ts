/** Operands for the conformance suite and the benches, made from the table's declarations alone. */
import type { AnyArray } from './buffer.js';
import { arrayTypes } from './checked.js';
import { type Case, evaluateLength, type KernelSpec, type VectorArg } from './define.js';
import { philox4x32 } from './reference/philox.js';

/** One call: arguments in the table's order. */
export type CallArgs = (AnyArray | (Float32Array | Uint16Array)[] | number)[];

export interface OperandOptions {
  seed: number;
  /** Sprinkle NaN, infinities, -0, subnormals, huge and tiny magnitudes over float operands. */
  specials: KernelSpec['specials'];
  /** Elements before each vector, so that it starts off every alignment but that of its element. */
  offset: number;
  /** Values repeat after so many elements: benches fill 64 MB operands this way. Default: they never repeat. */
  period?: number;
}

const specialValues = [
  NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  1e-45,
  -3e-39,
  1.1754943e-38,
  3.4e38,
  -3.4e38,
  1e-30,
  1e30,
];

/** Zeros, subnormals, infinities and NaN of either format. */
const specialHalves = [
  0, 0x8000, 1, 0x8001, 0x7f, 0x3ff, 0x400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x7f80, 0xff80, 0xffc0,
];

/** A stream of doubles in [0, 1) with 32 bits, addressed by (seed, stream, element). */
function uniforms(seed: number, stream: number): () => number {
  let block = 0;
  let words: readonly number[] = [];
  let next = 4;
  return () => {
    if (next === 4) {
      words = philox4x32(block++, stream, 0, 0, seed, 0x7e57);
      next = 0;
    }
    return words[next++] / 0x100000000;
  };
}

/** Makes the arguments of one call of a kernel. */
export function makeOperands(spec: KernelSpec, values: Case, options: OperandOptions): CallArgs {
  const scalars: Record<string, number> = { ...values };
  for (const arg of spec.args) if (arg.kind === 'scalar') scalars[arg.name] ??= arg.test;
  return spec.args.map((arg, i) => {
    if (arg.kind === 'scalar') return scalars[arg.name];
    const length = evaluateLength(arg.length, scalars);
    const random = uniforms(options.seed, i);
    if (arg.kind === 'list')
      return Array.from(
        { length: scalars.lists ?? 1 },
        () =>
          (arg.dtype === 'f32' ? fill : fillHalves)(vectorOf(arg.dtype, length, options), random, options) as
            | Float32Array
            | Uint16Array,
      );
    if (arg.optional && scalars[`with_${arg.name}`] === 0) return new arrayTypes[arg.dtype](0);
    return fillVector(arg, scalars, vectorOf(arg.dtype, length, options), random, options);
  });
}

function vectorOf(dtype: VectorArg['dtype'], length: number, options: OperandOptions): AnyArray {
  return new arrayTypes[dtype](length + options.offset).subarray(options.offset);
}

function fill(array: AnyArray, random: () => number, options: OperandOptions): AnyArray {
  // A sum of uniforms is near enough to a normal here, and needs no transcendental function.
  const drawn = Math.min(array.length, options.period ?? array.length);
  for (let i = 0; i < drawn; i++) array[i] = (random() + random() + random() + random() - 2) * 1.7;
  repeat(array, drawn);
  const values = options.specials === 'finite' ? specialValues.filter(Number.isFinite) : specialValues;
  if (options.specials !== 'none')
    for (let i = Math.floor(random() * 9); i < array.length; i += 1 + Math.floor(random() * 40))
      array[i] = values[Math.floor(random() * values.length)];
  return array;
}

/** Codes between 2^-15 and 2^9 as bfloat16, and 0.5 and 4 as float16, of either sign. */
function fillHalves(array: AnyArray, random: () => number, options: OperandOptions): AnyArray {
  const drawn = Math.min(array.length, options.period ?? array.length);
  for (let i = 0; i < drawn; i++)
    array[i] = (random() < 0.5 ? 0x8000 : 0) + 0x3800 + Math.floor(random() * 0xc00);
  repeat(array, drawn);
  if (options.specials !== 'none')
    for (let i = Math.floor(random() * 9); i < array.length; i += 1 + Math.floor(random() * 40))
      array[i] = specialHalves[Math.floor(random() * specialHalves.length)];
  return array;
}

/** Fills the rest of an array with copies of its first `drawn` elements. */
function repeat(array: AnyArray, drawn: number): void {
  for (let end = drawn; end > 0 && end < array.length; end *= 2) array.copyWithin(end, 0, end);
}

function fillVector(
  arg: VectorArg,
  scalars: Readonly<Record<string, number>>,
  array: AnyArray,
  random: () => number,
  options: OperandOptions,
): AnyArray {
  const drawn = Math.min(array.length, options.period ?? array.length);
  const each = (value: (i: number) => number, count = drawn): AnyArray => {
    for (let i = 0; i < count; i++) array[i] = value(i);
    repeat(array, count);
    return array;
  };
  switch (arg.values) {
    case 'normal':
      return fill(array, random, options);
    case 'positive':
      return each(() => random() * 3 + 1e-3);
    case 'unit':
      return each(() => random());
    case 'mask':
      return each(() => (random() < 0.6 ? 1 : 0));
    case 'index':
    case 'label': {
      const bound = evaluateLength(arg.below ?? '1', scalars);
      return each(() => Math.floor(random() * bound));
    }
    case 'bits':
      return each(() => Math.floor(random() * 0x100000000));
    case 'halves':
      return fillHalves(array, random, options);
    case 'codes':
      return each(() => Math.floor(random() * 255) - 127);
    case 'definite': {
      const rows = scalars.n;
      return each((i) => (i % (rows + 1) === 0 ? rows : random() - 0.5), array.length);
    }
    case 'offsets': {
      const end = scalars.n;
      const steps = array.length - 1;
      return each((i) => (i === steps ? end : Math.floor((end * i) / Math.max(steps, 1))), array.length);
    }
    default:
      return arg.values satisfies never;
  }
}

/** A deep copy, so that two back ends get the same memory contents. */
export function copyArgs(args: CallArgs): CallArgs {
  return args.map((arg) => {
    if (typeof arg === 'number') return arg;
    return ArrayBuffer.isView(arg) ? arg.slice() : arg.map((vector) => vector.slice());
  });
}
