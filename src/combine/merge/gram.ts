/** Gram matrices of the inputs, of their differences to a base, or of their rows. */
import type { Kernels } from '../../kernels/kernels.js';
import { blockedPass, kBlock, slices } from './blocks.js';
import type { StatisticsPass } from './method.js';

const kNoBase = new Float32Array(0);

/** Inner products of K vectors in float64: `at(i, j)` = <v_i, v_j>. */
export class Gram {
  private readonly rows: Float64Array[];

  constructor(readonly size: number) {
    this.rows = Array.from({ length: size }, (_, i) => new Float64Array(size - i));
  }

  at(i: number, j: number): number {
    return i <= j ? this.rows[i][j - i] : this.rows[j][i - j];
  }

  norm(i: number): number {
    return Math.sqrt(this.at(i, i));
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
    for (const row of this.rows) row.fill(0);
  }

  /** Adds the products of one piece; v_i are `vectors[i] - base` where a base is given. Blocks are those of the sum rule. */
  add(kernels: Kernels, vectors: readonly Float32Array[], base: Float32Array = kNoBase): void {
    for (let i = 0; i < this.size; i++)
      kernels.dotDeltasF64(this.rows[i], vectors.slice(i), vectors[i], base);
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
  return blockedPass(
    size,
    (inputs) => {
      const { length } = inputs[0];
      // Block by block, so that all products of a block are made while it is in the cache.
      for (let begin = 0; begin < length; begin += kBlock) {
        const block = slices(inputs, begin, Math.min(length, begin + kBlock));
        gram.add(
          kernels,
          of.map((k) => block[k]),
          base >= 0 ? block[base] : undefined,
        );
      }
    },
    end,
  );
}
