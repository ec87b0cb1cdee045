import { HeddleError } from '../../errors.js';

export type MergeErrorCode =
  | 'ERR_ZERO_WEIGHT_SUM'
  | 'ERR_EMPTY_DENSITY'
  | 'ERR_TRIM_SCOPE'
  | 'ERR_EPSILON_OUT_OF_RANGE'
  | 'ERR_ANTIPODAL_CANCELLATION'
  | 'ERR_SINGULAR_INTERPOLATION'
  | 'ERR_TOO_FEW_MODELS'
  | 'ERR_NONFINITE_INPUT'
  | 'ERR_NONFINITE_OUTPUT';

/** A merge method cannot give a tensor with these values and parameters. */
export class MergeMethodError extends HeddleError {
  constructor(
    code: MergeErrorCode,
    readonly method: string,
    readonly tensor: string,
    problem: string,
    hint: string,
  ) {
    super(code, `${method}, tensor ${tensor}: ${problem}`, hint);
  }
}

/** A method that orders magnitudes met a NaN or an infinity. */
export class NonFiniteInputError extends MergeMethodError {
  constructor(
    method: string,
    tensor: string,
    readonly model: string,
    /** Flat index of the first one in the tensor. */
    readonly index: number,
  ) {
    super(
      'ERR_NONFINITE_INPUT',
      method,
      tensor,
      `the difference of model ${model} to the base is not finite at element ${index}`,
      'repair or leave out this model: magnitudes that are not finite have no rank',
    );
  }
}
