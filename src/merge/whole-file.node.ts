import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { modelIoError } from '../tensor/safetensors/io-error.js';

/**
 * Makes or replaces a whole file beside a model: a reader meets the old one or the new one.
 *
 * @throws {ModelFileError} with the old file in place.
 */
export async function writeWholeFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // The first error is the one to tell; what is left has a dot-name and is no model.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw modelIoError(error, 'writing', path);
  }
}
