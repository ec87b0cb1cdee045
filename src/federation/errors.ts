import { HeddleError } from '../errors.js';

/** The run was aborted by its signal; what was done until then was kept. */
export class RunAbortedError extends HeddleError {
  constructor(
    /** Rounds completed. */
    readonly rounds: number,
    /** Folder of the run, where one is written. */
    readonly runDir?: string,
    cause?: unknown,
  ) {
    super(
      'ERR_RUN_ABORTED',
      `the run was interrupted after ${rounds} rounds`,
      runDir
        ? `model and summary are in ${runDir}`
        : 'the partial result is in the `partial` property of this error',
      { cause },
    );
  }
  /** What the run would have resolved to. */
  partial?: unknown;
}

/** Training left the finite numbers. */
export class DivergedError extends HeddleError {
  constructor(
    readonly round: number,
    what: string,
  ) {
    super(
      'ERR_DIVERGED',
      `round ${round}: ${what}`,
      'lower client.lr (or strategy.server-lr), or set run.on-diverge to skip-client or continue',
    );
  }
}

/** Fewer clients reported than `strategy.min-reports`. */
export class TooFewReportsError extends HeddleError {
  constructor(
    readonly round: number,
    reported: number,
    needed: number,
    firstReason?: string,
  ) {
    super(
      'ERR_TOO_FEW_REPORTS',
      `round ${round}: ${reported} clients reported, at least ${needed} are needed${firstReason ? ` (${firstReason})` : ''}`,
      'lower strategy.min-reports, raise the cohort size, or look at the rejected clients',
    );
  }
}

/** A user's strategy, trainer or stage threw. */
export class UserCodeError extends HeddleError {
  constructor(hook: string, round: number, client: number | undefined, cause: unknown) {
    const where = client === undefined ? `round ${round}` : `round ${round}, client ${client}`;
    super(
      'ERR_USER_CODE',
      `${hook} threw in ${where}: ${cause instanceof Error ? cause.message : String(cause)}`,
      `mend ${hook}; its own error is the cause of this one`,
      { cause },
    );
  }
}

/** A module that should export a model does not. */
export class ModelModuleError extends HeddleError {
  constructor(module: string, problem: string, cause?: unknown) {
    super(
      'ERR_MODEL_MODULE',
      `model module ${module} ${problem}`,
      'export `model`, made with defineModel from the same installation of heddle',
      { cause },
    );
  }
}

/** A user's trainer or strategy returned something of the wrong form. */
export class UserResultError extends HeddleError {
  constructor(hook: string, round: number, problem: string, hint: string) {
    super('ERR_USER_RESULT', `${hook} in round ${round} ${problem}`, hint);
  }
}
