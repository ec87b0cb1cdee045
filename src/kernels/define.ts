/** The small language in which `table.ts` declares kernels; everything generated is derived from these records. */

export type Dtype = 'f32' | 'f64' | 'u8' | 'i8' | 'u16' | 'i32' | 'u32';
export type ScalarType = 'f32' | 'f64' | 'u32' | 'i32';
/** What a kernel may do with a vector: read it, write all of it, or update it. */
export type Access = 'in' | 'out' | 'inout';
/**
 * `exact`: the same bits in every back end and instruction set. `profile`: the same bits within a numeric profile
 * (`fma` or `plain`: whether the products of a gemm or convolution chain are fused with their sum).
 */
export type EqualityClass = 'exact' | 'profile';
/**
 * How the conformance suite fills an operand. `index`, `label`: integers below `below`; `halves`: codes that are of moderate size as float16 and
 * as bfloat16; `definite`: a symmetric matrix with a large diagonal, n rows.
 */
export type Values =
  | 'normal'
  | 'positive'
  | 'unit'
  | 'mask'
  | 'index'
  | 'label'
  | 'bits'
  | 'halves'
  | 'offsets'
  | 'codes'
  | 'definite';

export interface VectorArg {
  kind: 'vec';
  name: string;
  dtype: Dtype;
  access: Access;
  /** Element count as an expression over length symbols and scalars: `n`, `rows*cols`, `ceil(n/block)`, `units+1`. */
  length: string;
  /** May be empty, which means "not there" (a bias, a velocity). */
  optional: boolean;
  values: Values;
  /** Exclusive upper bound of `index`, `label` and `offsets` values, an expression. Offsets ascend as well. */
  below?: string;
  /** Working memory of the caller: what stands in it before and after means nothing. */
  scratch?: boolean;
}

/** K input vectors of one length, handed over as an array. */
export interface ListArg {
  kind: 'list';
  name: string;
  dtype: 'f32' | 'u16';
  length: string;
}

export interface ScalarArg {
  kind: 'scalar';
  name: string;
  dtype: ScalarType;
  /** Value in the conformance suite where a case does not give one. */
  test: number;
}

export type KernelArg = VectorArg | ListArg | ScalarArg;
/**
 * Values of the length symbols and scalars of one conformance case; `lists` is the K of list arguments, and
 * `with_<name>: 0` leaves an optional vector out.
 */
export type Case = Readonly<Record<string, number>>;

export interface KernelSpec {
  family: string;
  args: readonly KernelArg[];
  returns: 'void' | ScalarType;
  /**
   * What lengths and scalars must obey beyond the operands' lengths, so that no call can leave its operands:
   * `outHeight*stride+size <= height+stride`, or `channels divides cols`.
   */
  requires?: readonly string[];
  equality: EqualityClass;
  cases: readonly Case[];
  /** Sizes that `heddle bench kernels` times; absent: not timed. */
  bench?: readonly Case[];
  /** Bytes read and written per call as an expression, for GB/s; or floating-point operations for GFLOP/s. */
  bytes?: string;
  flops?: string;
  /** Copy or read rate is the ceiling that the bench compares with. */
  bound?: 'copy' | 'read' | 'compute';
  /** Special values fed as well: all (NaN, infinities, -0, subnormals, huge and tiny), the finite ones, or none. */
  specials: 'all' | 'finite' | 'none';
}

interface VectorOptions {
  optional?: boolean;
  values?: Values;
  below?: string;
  scratch?: boolean;
}

function vector(access: Access) {
  return (name: string, dtype: Dtype, length = 'n', options: VectorOptions = {}): VectorArg => ({
    kind: 'vec',
    name,
    dtype,
    access,
    length,
    optional: options.optional ?? false,
    values: options.values ?? 'normal',
    below: options.below,
    ...(options.scratch && { scratch: true }),
  });
}
export const input = vector('in');
export const output = vector('out');
export const update = vector('inout');
export const inputs = (name: string, dtype: ListArg['dtype'] = 'f32', length = 'n'): ListArg => ({
  kind: 'list',
  name,
  dtype,
  length,
});
export const scalar = (name: string, dtype: ScalarType, test = 1): ScalarArg => ({
  kind: 'scalar',
  name,
  dtype,
  test,
});

export interface KernelOptions extends Partial<Omit<KernelSpec, 'family' | 'args'>> {}

export const kernel = (
  family: string,
  args: readonly KernelArg[],
  options: KernelOptions = {},
): KernelSpec => ({
  family,
  args,
  returns: 'void',
  equality: 'exact',
  cases: lengths(),
  specials: 'all',
  ...options,
});

/** Lengths around every vector width and the 65,536 block of sums. */
export const lengths = (extra: Case = {}): Case[] =>
  [
    0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 1000, 4099, 65_535, 65_536, 65_537, 200_003,
  ].map((n) => ({ n, ...extra }));

/** Symbols of a length expression that are not scalars of the kernel, in order of first use. */
export function lengthSymbols(spec: KernelSpec): string[] {
  const scalars = new Set(spec.args.filter((arg) => arg.kind === 'scalar').map((arg) => arg.name));
  const symbols: string[] = [];
  for (const arg of spec.args)
    if (arg.kind !== 'scalar')
      for (const symbol of arg.length.match(/[A-Za-z]\w*/g) ?? [])
        if (symbol !== 'ceil' && !scalars.has(symbol) && !symbols.includes(symbol)) symbols.push(symbol);
  return symbols;
}

/** How a length symbol follows from the operands: from argument `arg`, whose length is the symbol times `factors`. */
export interface SymbolSource {
  symbol: string;
  /** Index into the kernel's arguments. */
  arg: number;
  factors: readonly string[];
  /** The number of vectors of a list argument counts, not their length. */
  counts?: true;
}

/** Where each free length comes from, in the order of `lengthSymbols`. Throws when a declaration leaves one open. */
export function symbolSources(spec: KernelSpec): SymbolSource[] {
  const symbols = lengthSymbols(spec);
  return symbols.map((symbol) => {
    const required = spec.args.map((arg) => (arg.kind === 'vec' && !arg.optional) || arg.kind === 'list');
    const exact = spec.args.findIndex(
      (arg, i) => required[i] && arg.kind !== 'scalar' && arg.length === symbol,
    );
    if (exact >= 0) return { symbol, arg: exact, factors: [] };
    const list = symbol === 'lists' ? spec.args.findIndex((arg) => arg.kind === 'list') : -1;
    if (list >= 0) return { symbol, arg: list, factors: [], counts: true };
    const product = spec.args.findIndex(
      (arg, i) => required[i] && arg.kind !== 'scalar' && arg.length.split('*').includes(symbol),
    );
    const { args } = spec;
    const chosen = args[product];
    if (chosen === undefined || chosen.kind === 'scalar')
      throw new RangeError(`no operand determines ${symbol}`);
    return { symbol, arg: product, factors: chosen.length.split('*').filter((factor) => factor !== symbol) };
  });
}

/** Evaluates a length expression: products and sums of symbols and integers, and `ceil(a/b)`. */
export function evaluateLength(expression: string, values: Readonly<Record<string, number>>): number {
  const ceiling = /^ceil\((\w+)\/(\w+)\)$/.exec(expression);
  if (ceiling) return Math.ceil(term(ceiling[1], values) / term(ceiling[2], values));
  return expression
    .split('+')
    .reduce((sum, part) => sum + part.split('*').reduce((product, t) => product * term(t, values), 1), 0);
}

/** The two sides of a requirement of `KernelSpec.requires`, and how they have to stand to each other. */
export function parseRequirement(text: string): { left: string; relation: '<=' | 'divides'; right: string } {
  const parts = /^(.+) (<=|divides) (.+)$/.exec(text);
  if (!parts) throw new RangeError(`not a requirement: ${text}`);
  return { left: parts[1], relation: parts[2] as '<=' | 'divides', right: parts[3] };
}

function term(text: string, values: Readonly<Record<string, number>>): number {
  const name = text.trim();
  const value = /^\d+$/.test(name) ? Number(name) : values[name];
  if (value === undefined) throw new RangeError(`length expression uses the unknown symbol ${name}`);
  return value;
}
