import { HeddleError } from '../../errors.js';

/** What an error about a model speaks of, where it is known. */
export interface ModelErrorPlace {
  /** Folder or file of the model as the caller named it. */
  readonly model?: string;
  /** The file at fault. */
  readonly file?: string;
  readonly tensor?: string;
  readonly expected?: unknown;
  readonly actual?: unknown;
}

/** A model's files cannot be read, cannot be trusted, or cannot be written. */
export class ModelFileError extends HeddleError {
  readonly model?: string;
  readonly file?: string;
  readonly tensor?: string;
  readonly expected?: unknown;
  readonly actual?: unknown;

  constructor(code: string, message: string, hint: string, place: ModelErrorPlace = {}, cause?: unknown) {
    super(code, message, hint, cause === undefined ? undefined : { cause });
    Object.assign(this, place);
  }
}

export type HeaderProblem =
  | 'ERR_HEADER_TOO_SMALL'
  | 'ERR_HEADER_TOO_LARGE'
  | 'ERR_INVALID_HEADER_LENGTH'
  | 'ERR_INVALID_UTF8'
  | 'ERR_INVALID_JSON'
  | 'ERR_DUPLICATE_KEY'
  | 'ERR_INVALID_OFFSET'
  | 'ERR_SIZE_MISMATCH'
  | 'ERR_OVERFLOW'
  | 'ERR_MISALIGNED'
  | 'ERR_INCOMPLETE_BUFFER';

/** A file is not a well-formed safetensors file; nothing of it was read but the header. */
export class SafetensorsFormatError extends ModelFileError {
  constructor(
    readonly problemCode: HeaderProblem,
    file: string,
    problem: string,
    place: ModelErrorPlace = {},
  ) {
    const hint =
      problemCode === 'ERR_INCOMPLETE_BUFFER'
        ? 'the file is truncated or has bytes behind its tensors: download or copy it again'
        : 'the file is damaged or was made by a faulty tool: download it again, or write it anew with a current safetensors library';
    super(problemCode, `${file}: not a valid safetensors file: ${problem}`, hint, { file, ...place });
  }
}

/** An input file was written to while it was being read. */
export class InputChangedError extends ModelFileError {
  constructor(file: string, what: string) {
    super(
      'ERR_INPUT_CHANGED',
      `${file} changed while it was read: ${what}`,
      'wait until nothing writes to the model any more, then run again',
      { file },
    );
  }
}

/** A model is being written into the folder by a process, which may be this one. */
export class OutputBusyError extends ModelFileError {
  /** @param claim - the file that says so. */
  constructor(folder: string, pid: number, claim: string) {
    super(
      'ERR_OUTPUT_BUSY',
      `${folder}: process ${pid} is writing a model there`,
      `wait for it, or choose another folder; if process ${pid} does something else, remove ${claim}`,
      { model: folder, actual: pid },
    );
  }
}
