import { readFile } from 'node:fs/promises';
import { UsageError } from './errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is nothing at this path',
  ENOTDIR: 'there is nothing at this path',
  ENAMETOOLONG: 'there is nothing at this path',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
};

/**
 * Reads a file that an argument names.
 *
 * @param what - what it should be, as `a search file`.
 * @throws {UsageError} with the path and why it cannot be read.
 */
export async function readTextFile(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = REASONS[errno] ?? (error instanceof Error ? error.message : String(error));
    throw new UsageError(`${path} cannot be read: ${why}`, `give the path of ${what}`, { cause: error });
  }
}
