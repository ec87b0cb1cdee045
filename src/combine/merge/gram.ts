/** Gram matrices of the inputs, of their differences to a base, or of their rows. */
import type { Kernels } from '../../kernels/kernels.js';
import { blockedPass } from './blocks.js';
import type { StatisticsPass } from './method.js';
import { pick } from './parameters.js';

const kNoBase = new Float32Array(0);
const kNoBaseCodes = new Uint16Array(0);

/** Inner products of K vectors in float64: `at(i, j)` = <v_i, v_j>. */
export class Gram {
  /** K rows; what lies below the diagonal is not used. */
  private readonly products: Float64Array;
  private readonly baseSquare = new Float64Array(1);

  constructor(readonly size: number) {
    this.products = new Float64Array(size * size);
  }

  at(i: number, j: number): number {
    return this.products[Math.min(i, j) * this.size + Math.max(i, j)];
  }

  norm(i: number): number {
    return Math.sqrt(this.at(i, i));
  }

  /** Norm of the base; 0 where none was given. */
  get baseNorm(): number {
    return Math.sqrt(this.baseSquare[0]);
  }

  /** Norm of sum c_i v_i, never NaN for finite input: rounding may leave a square a little below 0. */
  normOf(c: readonly number[]): number {
    return Math.sqrt(Math.max(0, this.dot(c, c)));
  }

  /** <sum a_i v_i, sum b_j v_j>. */
  dot(a: readonly number[], b: readonly number[]): number {
    let sum = 0;
    for (let i = 0; i < this.size; i++)
      for (let j = 0; j < this.size; j++) sum += a[i] * b[j] * this.at(i, j);
    return sum;
  }

  clear(): void {
    this.products.fill(0);
    this.baseSquare[0] = 0;
  }

  /** Adds the products of one piece; v_i are `vectors[i] - base` where a base is given. Blocks are those of the sum rule. */
  add(kernels: Kernels, vectors: readonly Float32Array[], base: Float32Array = kNoBase): void {
    kernels.addDeltaGramF32(this.products, this.baseSquare, vectors, base);
  }

  /** The same of 16-bit floats. @param format - as kernels name it. */
  addStored(
    kernels: Kernels,
    vectors: readonly Uint16Array[],
    base: Uint16Array = kNoBaseCodes,
    format = 0,
  ): void {
    kernels.addDeltaGramHalf(this.products, this.baseSquare, vectors, base, format);
  }
}

/** One statistics pass that fills a Gram matrix of inputs `of`, less input `base` (or -1). */
export function gramPass(
  kernels: Kernels,
  size: number,
  gram: Gram,
  of: readonly number[],
  base: number,
  end?: () => void,
): StatisticsPass {
  let format = 0;
  const values = blockedPass<Float32Array>(size, (inputs) => {
    gram.add(kernels, pick(inputs, of), inputs[base]);
  });
  const stored = blockedPass<Uint16Array>(size, (codes) => {
    gram.addStored(kernels, pick(codes, of), codes[base], format);
  });
  return {
    accept: values.accept,
    acceptStored(inputs, offset) {
      format = inputs.format;
      stored.accept(inputs.codes, offset);
    },
    end,
  };
}
