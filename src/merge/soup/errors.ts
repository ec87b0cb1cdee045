import { HeddleError } from '../../errors.js';

/** The trace of a soup cannot be read, or is of another soup. */
export class SoupTraceError extends HeddleError {
  constructor(
    readonly file: string,
    problem: string,
    hint: string,
    options?: ErrorOptions,
  ) {
    super('ERR_SOUP_TRACE', `${file} ${problem}`, hint, options);
  }
}
