import { HeddleError } from '../../errors.js';

/** A merge gave a value that is not a finite number. */
export class NonFiniteOutputError extends HeddleError {
  constructor(
    readonly tensor: string,
    /** Values that are not finite, in the tensor. */
    readonly count: number,
    /** Flat index of the first. */
    readonly index: number,
    /** The input that is not finite there, where one is to blame. */
    readonly model?: string,
  ) {
    const values = count === 1 ? '1 value is' : `${count} values are`;
    super(
      model === undefined ? 'ERR_NONFINITE_OUTPUT' : 'ERR_NONFINITE_INPUT',
      model === undefined
        ? `tensor ${tensor}: ${values} not finite after merging, the first at element ${index}, although the inputs are`
        : `tensor ${tensor}: ${values} not finite, the first at element ${index}: model ${model} is not finite there`,
      model === undefined
        ? 'choose smaller weights or a wider out_dtype; float16 ends at 65504'
        : 'repair or leave out this model; `heddle inspect` counts such values; --strict-mergekit lets them pass',
    );
  }
}

/** The memory budget cannot hold what a tensor needs at once. */
export class MemoryBudgetError extends HeddleError {
  constructor(
    readonly tensor: string,
    readonly neededBytes: number,
    readonly budgetBytes: number,
  ) {
    const inMegabytes = (bytes: number): number => Math.ceil(bytes / 1e6);
    super(
      'ERR_OUT_OF_MEMORY_BUDGET',
      `tensor ${tensor} needs a memory budget of ${inMegabytes(neededBytes)} MB, ${inMegabytes(budgetBytes)} MB are given`,
      `give at least --memory ${inMegabytes(neededBytes)}MB, or fewer workers`,
    );
  }
}
