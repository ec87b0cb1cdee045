import { describe, HeddleError } from '../errors.js';

/** Data files are not where they were looked for. */
export class DataNotFoundError extends HeddleError {
  constructor(
    what: string,
    /** File names that were looked for. */
    readonly files: readonly string[],
    /** Folders that were searched, in order. */
    readonly folders: readonly string[],
    hint: string,
    options?: ErrorOptions,
  ) {
    super(
      'ERR_DATA_NOT_FOUND',
      `${what} was not found\n  Looked for: ${files.join(', ')}\n  In: ${folders.join(', ')}`,
      hint,
      options,
    );
  }
}

/** A data file or a data set's parts do not have the form they claim. */
export class DataFormatError extends HeddleError {
  constructor(
    /** The file, or the name of the data set when it came as arrays. */
    readonly source: string,
    problem: string,
    hint: string,
    options?: ErrorOptions,
  ) {
    super('ERR_DATA_FORMAT', `${source}: ${problem}`, hint, options);
  }
}

/** A label is no class of the data set. */
export class LabelRangeError extends HeddleError {
  constructor(
    readonly source: string,
    /** Index of the example. */
    readonly index: number,
    readonly value: unknown,
    readonly classes: number,
  ) {
    super(
      'ERR_LABEL_RANGE',
      `${source}: label of example ${index} is ${describe(value)}, outside 0 .. ${classes - 1} (${classes} classes)`,
      'number labels from 0, or raise `classes` to the largest label + 1',
    );
  }
}

/** An example holds NaN or an infinity. */
export class NonFiniteDataError extends HeddleError {
  constructor(
    readonly source: string,
    /** Index of the example. */
    readonly index: number,
    /** Index of the value inside the example. */
    readonly element: number,
    value: number,
  ) {
    super(
      'ERR_DATA_NON_FINITE',
      `${source}: example ${index} holds ${value} at element ${element}`,
      'drop or repair the example: one NaN turns every weight it touches into NaN',
    );
  }
}

/** A partition leaves a client with nothing to train on. */
export class EmptyClientError extends HeddleError {
  constructor(
    readonly scheme: string,
    readonly client: number,
    detail: string,
  ) {
    super(
      'ERR_EMPTY_CLIENT',
      `partition '${scheme}': client ${client} would have no examples (${detail})`,
      'use fewer partitions or more data',
    );
  }
}

/** The partition asked for cannot be made from this data set. */
export class PartitionError extends HeddleError {
  constructor(scheme: string, problem: string, hint: string) {
    super('ERR_PARTITION', `partition '${scheme}': ${problem}`, hint);
  }
}
