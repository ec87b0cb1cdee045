/** What a file system refuses, as an error that says whose turn it is. */
import { describe, expect, it } from 'vitest';
import { modelIoError } from '../../../src/tensor/safetensors/io-error.js';

describe('an error of the file system', () => {
  it.each([
    ['reading', 'ENOENT', 'ERR_MODEL_NOT_FOUND'],
    ['reading', 'ENOTDIR', 'ERR_MODEL_NOT_FOUND'],
    ['reading', 'ENAMETOOLONG', 'ERR_MODEL_NOT_FOUND'],
    ['reading', 'EACCES', 'ERR_INPUT_DENIED'],
    ['reading', 'EIO', 'ERR_IO_ERROR'],
    ['writing', 'ENOSPC', 'ERR_DISK_FULL'],
    ['writing', 'ENOTDIR', 'ERR_OUTPUT_FOLDER'],
    ['writing', 'ENAMETOOLONG', 'ERR_OUTPUT_FOLDER'],
    ['writing', 'EACCES', 'ERR_OUTPUT_DENIED'],
    ['writing', 'EIO', 'ERR_IO_ERROR'],
  ] as const)('while %s, %s, is %s with path and errno', (act, errno, code) => {
    const error = modelIoError(Object.assign(new Error('refused'), { code: errno }), act, 'some/model');
    expect(error).toMatchObject({ code, file: 'some/model' });
    expect(error.message).toContain(`${act} some/model failed`);
    expect(error.message).toContain(`(${errno})`);
  });
});
