import { HeddleError } from '../errors.js';

/** The run folder cannot be made or written to. `path` is the file or folder at fault. */
export class RunFolderError extends HeddleError {
  constructor(
    code: string,
    readonly path: string,
    message: string,
    hint: string,
    options?: ErrorOptions,
  ) {
    super(code, message, hint, options);
  }

  /** Names the problem behind a file-system error met while doing `act` (as `writing`) at `path`. */
  static from(error: unknown, act: string, path: string): RunFolderError {
    if (error instanceof RunFolderError) return error;
    const errno = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const { code, problem, hint } = CAUSES[errno] ?? {
      code: 'ERR_RUN_FOLDER',
      problem: error instanceof Error ? error.message : String(error),
      hint: 'check that the folder exists and can be written, or choose another with run.dir',
    };
    return new RunFolderError(code, path, `run folder: ${act} ${path} failed: ${problem} (${errno})`, hint, {
      cause: error,
    });
  }
}

const FULL = {
  code: 'ERR_DISK_FULL',
  hint: 'free some space or choose another folder with run.dir; what was written before stays readable',
};
const DENIED = {
  code: 'ERR_RUN_FOLDER_DENIED',
  problem: 'writing there is not permitted',
  hint: 'give this user write permission, or choose another folder with run.dir',
};

const CAUSES: Readonly<Record<string, { code: string; problem: string; hint: string }>> = {
  ENOSPC: { ...FULL, problem: 'the disk is full' },
  EDQUOT: { ...FULL, problem: 'the disk quota is used up' },
  EFBIG: { ...FULL, problem: 'the file would pass the size limit of this process or file system' },
  EROFS: {
    code: 'ERR_RUN_FOLDER_READ_ONLY',
    problem: 'the file system is read-only',
    hint: 'choose a folder on a writable disk with run.dir',
  },
  EACCES: DENIED,
  EPERM: DENIED,
  ENOTDIR: {
    code: 'ERR_RUN_FOLDER',
    problem: 'a part of the path is a file, not a folder',
    hint: 'choose a folder with run.dir',
  },
};
