import { HeddleError } from '../errors.js';

/** The command line cannot be understood. */
export class UsageError extends HeddleError {
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super('ERR_USAGE', message, hint, options);
  }
}

/** A run ended with other parameters than `--expect` names. */
export class FingerprintMismatchError extends HeddleError {
  constructor(expected: string, received: string, beside: readonly string[]) {
    super(
      'ERR_FINGERPRINT_MISMATCH',
      `the run ended with fingerprint ${received}, expected ${expected}`,
      `compare with the summary.json of the run that gave it: ${beside.join('; ')}`,
    );
  }
}

/** The addon could not be compiled on this machine. */
export class NativeBuildError extends HeddleError {
  constructor(problem: string, hint: string, options?: ErrorOptions) {
    super('ERR_NATIVE_BUILD', problem, hint, options);
  }
}

/** A kernel of a back end gives another result than the reference. */
export class KernelCheckError extends HeddleError {
  constructor(kernels: readonly string[]) {
    super(
      'ERR_KERNEL_CHECK',
      `these kernels differ from the reference and were not timed: ${kernels.join(', ')}`,
      'run `heddle doctor`; if the package was built here, build it again with `npm run build`',
    );
  }
}

/** The run took longer than `--timeout` allows; what it reached was kept. */
export class TimeoutError extends HeddleError {
  constructor(seconds: number, rounds: number, runDir: string | undefined, cause: unknown) {
    super(
      'ERR_TIMEOUT',
      `the run was ended after ${rounds} rounds because ${seconds} s had passed`,
      runDir ? `model and summary are in ${runDir}` : 'raise --timeout, or ask for fewer rounds',
      { cause },
    );
  }
}

/** A verb was interrupted; the hint says how to go on. */
export class InterruptedError extends HeddleError {
  constructor(message: string, hint: string) {
    super('ERR_ABORTED', message, hint);
  }
}
