import { HeddleError } from '../errors.js';

/** A client's update was not added: it would have made the aggregate wrong. It contributes zero. */
export class UpdateRejectedError extends HeddleError {
  constructor(
    readonly client: string,
    readonly reason: 'not-finite' | 'above-bound',
    /** L2 norm as received; NaN or infinite where the update is. */
    readonly norm: number,
    maxNorm?: number,
  ) {
    super(
      reason === 'not-finite' ? 'ERR_UPDATE_NOT_FINITE' : 'ERR_UPDATE_ABOVE_BOUND',
      reason === 'not-finite'
        ? `the update of client ${client} holds NaN or infinity`
        : `the update of client ${client} has norm ${norm}, far above its bound of ${maxNorm}`,
      reason === 'not-finite'
        ? 'lower the learning rate or look at the data of this client; the other clients were kept'
        : 'a client that clips cannot send this: check that it runs the same pipeline, or exclude it',
    );
  }
}

/** A weight that would lose exactness: products of 24-bit values with it must fit 53 bits. */
export class WeightRangeError extends HeddleError {
  constructor(client: string, weight: number) {
    super(
      'ERR_WEIGHT_RANGE',
      `the weight ${weight} of client ${client} is not an integer from 1 to 2^29 - 1`,
      'use example counts or other positive integers as weights',
    );
  }
}

/** What a client measured for the reduction is not finite: it would decide the aggregate. The client contributes zero. */
export class StatisticsRejectedError extends HeddleError {
  constructor(client: string, what: string) {
    super(
      'ERR_STATISTICS_NOT_FINITE',
      `the ${what} of client ${client} holds NaN or infinity`,
      'lower the learning rate or look at the data of this client; the other clients were kept',
    );
  }
}
