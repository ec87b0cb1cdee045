import { ModelFileError } from './errors.js';

/** Names the problem behind a file-system error met while doing `act` (as `reading`) at `path`. */
export function modelIoError(
  error: unknown,
  act: 'reading' | 'writing',
  path: string,
  model?: string,
): Error {
  if (error instanceof ModelFileError) return error;
  const errno = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const known = (act === 'writing' ? WRITING : READING)[errno];
  const { code, problem, hint } = known ?? {
    code: 'ERR_IO_ERROR',
    problem: error instanceof Error ? error.message : String(error),
    hint: `check the disk and the path, then run again`,
  };
  const place = { model, file: path };
  return new ModelFileError(code, `${act} ${path} failed: ${problem} (${errno})`, hint, place, error);
}

interface Cause {
  code: string;
  problem: string;
  hint: string;
}

/** Also thrown before anything is written, when the free space is known not to suffice. */
export const DISK_FULL = {
  code: 'ERR_DISK_FULL',
  hint: 'free some space or choose another folder; a model that was there before is unharmed',
};
const denied = (act: string): Cause => ({
  code: act === 'write' ? 'ERR_OUTPUT_DENIED' : 'ERR_INPUT_DENIED',
  problem: `this user may not ${act} there`,
  hint:
    act === 'write'
      ? 'give this user write permission, or choose another folder'
      : 'give this user read permission',
});
const notFolder: Cause = {
  code: 'ERR_OUTPUT_FOLDER',
  problem: 'a part of the path is a file, not a folder',
  hint: 'choose a folder that does not exist yet, or an empty one',
};

const WRITING: Readonly<Record<string, Cause>> = {
  ENOSPC: { ...DISK_FULL, problem: 'the disk is full' },
  EDQUOT: { ...DISK_FULL, problem: 'the disk quota is used up' },
  EFBIG: { ...DISK_FULL, problem: 'the file would pass the size limit of this process or file system' },
  EROFS: {
    code: 'ERR_OUTPUT_READ_ONLY',
    problem: 'the file system is read-only',
    hint: 'choose a folder on a writable disk',
  },
  EACCES: denied('write'),
  EPERM: denied('write'),
  ENOTDIR: notFolder,
  EEXIST: notFolder,
  ENAMETOOLONG: {
    code: 'ERR_OUTPUT_FOLDER',
    problem: 'a name in the path is too long for the file system',
    hint: 'choose a folder with a shorter name',
  },
};

const nothing: Cause = {
  code: 'ERR_MODEL_NOT_FOUND',
  problem: 'there is nothing at this path',
  hint: 'check the path; it is relative to the working folder',
};

const READING: Readonly<Record<string, Cause>> = {
  ENOENT: nothing,
  ENOTDIR: nothing,
  ENAMETOOLONG: nothing,
  EACCES: denied('read'),
  EPERM: denied('read'),
};
