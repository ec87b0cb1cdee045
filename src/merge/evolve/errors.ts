import { HeddleError } from '../../errors.js';

/** A genome, or the search around it, cannot be. */
export class SearchError extends HeddleError {
  constructor(problem: string, hint: string) {
    super('ERR_SEARCH', problem, hint);
  }
}

/** No candidate of the first generation could be evaluated: the evaluator itself is broken. */
export class EvaluationError extends HeddleError {
  constructor(candidates: number, first: unknown) {
    const said = first instanceof Error ? first.message : String(first);
    super(
      'ERR_EVALUATION',
      `none of the first ${candidates} candidates could be evaluated; the first failed with: ${said}`,
      'run the evaluator by hand on one merged model; it must give a finite number',
      { cause: first },
    );
  }
}

/** A checkpoint cannot be continued from. */
export class CheckpointError extends HeddleError {
  constructor(problem: string, hint: string, options?: ErrorOptions) {
    super('ERR_SEARCH_CHECKPOINT', problem, hint, options);
  }
}

/** The search was stopped by its signal; what it had reached is in the last checkpoint. */
export class SearchAbortedError extends HeddleError {
  constructor(
    readonly evaluations: number,
    cause: unknown,
  ) {
    super(
      'ERR_ABORTED',
      `the search was stopped after ${evaluations} evaluations`,
      'continue from its checkpoint; the result will be that of a search that was never stopped',
      { cause },
    );
  }
}
