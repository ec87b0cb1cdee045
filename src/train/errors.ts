import { HeddleError } from '../errors.js';

/** A worker thread ended under its task. */
export class WorkerCrashError extends HeddleError {
  constructor(cause: Error) {
    super(
      'ERR_WORKER_CRASH',
      `a worker thread failed: ${cause.message}`,
      'look at the cause; in an own trainer, catch errors and return; with little memory, use fewer workers',
      { cause },
    );
  }
}

/** A module that should export a trainer does not. */
export class TrainerModuleError extends HeddleError {
  constructor(module: string, problem: string, cause?: unknown) {
    super(
      'ERR_TRAINER_MODULE',
      `trainer module ${module} ${problem}`,
      'export an object `trainer` with a method `train(job)` that returns { update, lossSum, correct, examples, steps }',
      { cause },
    );
  }
}
