import { HeddleError } from '../errors.js';

/** What a verb's exit code says, the same for all verbs. */
export const EXIT = {
  done: 0,
  /** The user's own code threw, or something failed that no other code names. */
  failed: 1,
  usage: 2,
  /** Data that are missing or corrupt, and a disk that cannot hold or give them: no fault of the program or of the command line. */
  data: 3,
  backend: 4,
  memory: 5,
  timeout: 6,
  diverged: 7,
  tooFewClients: 8,
  privacyBudget: 9,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_CODE: Readonly<Record<string, ExitCode>> = {
  ERR_USAGE: EXIT.usage,
  ERR_CONFIG: EXIT.usage,
  ERR_INVALID_ARGUMENT: EXIT.usage,
  ERR_COHORT_TOO_LARGE: EXIT.usage,
  ERR_PARTITION: EXIT.usage,
  ERR_EMPTY_CLIENT: EXIT.usage,
  ERR_MODEL_DEFINITION: EXIT.usage,
  ERR_MODEL_MODULE: EXIT.usage,
  ERR_MODEL_SHAPE: EXIT.usage,
  ERR_SHAPE_MISMATCH: EXIT.usage,
  ERR_UNACCOUNTED: EXIT.usage,
  ERR_RUN_FOLDER: EXIT.usage,
  ERR_RUN_FOLDER_DENIED: EXIT.usage,
  ERR_RUN_FOLDER_EXISTS: EXIT.usage,
  ERR_RUN_FOLDER_READ_ONLY: EXIT.usage,
  ERR_SEARCH: EXIT.usage,
  ERR_SEARCH_CHECKPOINT: EXIT.usage,
  ERR_FITNESS: EXIT.usage,
  ERR_SOUP_TRACE: EXIT.usage,
  ERR_RECYCLE: EXIT.usage,
  ERR_UNASSIGNED_TENSOR: EXIT.usage,
  ERR_OUTPUT_EXISTS: EXIT.usage,
  ERR_OUTPUT_BUSY: EXIT.usage,
  ERR_OUTPUT_IS_INPUT: EXIT.usage,
  ERR_OUTPUT_FOLDER: EXIT.usage,
  ERR_OUTPUT_DENIED: EXIT.usage,
  ERR_OUTPUT_READ_ONLY: EXIT.usage,
  ERR_DATA_NOT_FOUND: EXIT.data,
  ERR_DATA_FORMAT: EXIT.data,
  ERR_DATA_NON_FINITE: EXIT.data,
  ERR_LABEL_RANGE: EXIT.data,
  ERR_MODEL_NOT_FOUND: EXIT.data,
  ERR_MODEL_FORMAT: EXIT.data,
  ERR_INPUT_DENIED: EXIT.data,
  ERR_INPUT_CHANGED: EXIT.data,
  ERR_MISSING_SHARD: EXIT.data,
  ERR_MISSING_TENSOR: EXIT.data,
  ERR_MODEL_TENSOR: EXIT.data,
  ERR_DUPLICATE_TENSOR: EXIT.data,
  ERR_BAD_INDEX: EXIT.data,
  ERR_BAD_CONFIG: EXIT.data,
  ERR_UNSUPPORTED_DTYPE: EXIT.data,
  ERR_HEADER_TOO_SMALL: EXIT.data,
  ERR_HEADER_TOO_LARGE: EXIT.data,
  ERR_INVALID_HEADER_LENGTH: EXIT.data,
  ERR_INVALID_UTF8: EXIT.data,
  ERR_INVALID_JSON: EXIT.data,
  ERR_DUPLICATE_KEY: EXIT.data,
  ERR_INVALID_OFFSET: EXIT.data,
  ERR_SIZE_MISMATCH: EXIT.data,
  ERR_OVERFLOW: EXIT.data,
  ERR_MISALIGNED: EXIT.data,
  ERR_INCOMPLETE_BUFFER: EXIT.data,
  ERR_DISK_FULL: EXIT.data,
  ERR_IO_ERROR: EXIT.data,
  ERR_BACKEND_UNAVAILABLE: EXIT.backend,
  ERR_SELF_TEST: EXIT.backend,
  ERR_NONFINITE_INPUT: EXIT.data,
  ERR_ZERO_WEIGHT_SUM: EXIT.usage,
  ERR_EMPTY_DENSITY: EXIT.usage,
  ERR_EPSILON_OUT_OF_RANGE: EXIT.usage,
  ERR_OUT_OF_MEMORY: EXIT.memory,
  ERR_OUT_OF_MEMORY_BUDGET: EXIT.memory,
  ERR_TIMEOUT: EXIT.timeout,
  ERR_DIVERGED: EXIT.diverged,
  ERR_TOO_FEW_CLIENTS: EXIT.tooFewClients,
  ERR_TOO_FEW_REPORTS: EXIT.tooFewClients,
  ERR_PRIVACY_BUDGET: EXIT.privacyBudget,
  ERR_ABORTED: EXIT.interrupted,
  ERR_RUN_ABORTED: EXIT.interrupted,
};

/** The exit code that an error ends a verb with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof HeddleError) {
    // What a recipe asks for cannot be done: found before anything is read.
    if (error.code.startsWith('ERR_MERGE_')) return EXIT.usage;
    return BY_CODE[error.code] ?? EXIT.failed;
  }
  // V8's own limits: an array that is too long, or no memory left for one.
  if (error instanceof RangeError && /allocation failed|invalid (typed )?array length/i.test(error.message))
    return EXIT.memory;
  return EXIT.failed;
}
