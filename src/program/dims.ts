/**
 * Shapes whose sizes are known only when a program is bound: the batch, and the widths of unit groups.
 *
 * A dimension is an integer, or `factor` times a symbol: a flattened 64 x 7 x 7 image has 49 times `conv2.out`.
 */
export interface SymbolicDim {
  readonly symbol: string;
  readonly factor: number;
}
export type Dim = number | SymbolicDim;
export type Shape = readonly Dim[];

/** Symbol of the batch axis. Every other symbol is a unit group with a default width. */
export const kBatch = 'batch';
export const batchDim: SymbolicDim = { symbol: kBatch, factor: 1 };

export type Widths = Readonly<Record<string, number>>;

export function sameDim(a: Dim, b: Dim): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return a.symbol === b.symbol && a.factor === b.factor;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => sameDim(dim, b[axis]));
}

export function resolveDim(dim: Dim, widths: Widths): number {
  if (typeof dim === 'number') return dim;
  const width = widths[dim.symbol];
  if (width === undefined) throw new RangeError(`no width for the symbol ${dim.symbol}`);
  return dim.factor * width;
}

export function resolveShape(shape: Shape, widths: Widths): number[] {
  return shape.map((dim) => resolveDim(dim, widths));
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Whether the first axis runs over the examples of the batch. */
export function carriesBatch(shape: Shape): boolean {
  return shape.length > 0 && typeof shape[0] !== 'number' && shape[0].symbol === kBatch;
}

/** Product of dimensions, of which at most one is symbolic; undefined if more are. */
export function multiplyDims(dims: readonly Dim[]): Dim | undefined {
  let factor = 1;
  let symbol: string | undefined;
  for (const dim of dims) {
    if (typeof dim === 'number') factor *= dim;
    else if (symbol !== undefined) return undefined;
    else {
      symbol = dim.symbol;
      factor *= dim.factor;
    }
  }
  return symbol === undefined ? factor : { symbol, factor };
}

/** As `[batch, 49*conv2.out(64), 3]`, for messages. */
export function showShape(shape: Shape, widths: Widths): string {
  const parts = shape.map((dim) => {
    if (typeof dim === 'number') return String(dim);
    return dim.symbol === kBatch ? kBatch : String(resolveDim(dim, widths));
  });
  return `[${parts.join(', ')}]`;
}
