import { type FileHandle, open } from 'node:fs/promises';
import { DataFormatError } from './errors.js';
import type { NamedBytes } from './mnist.js';
import { sharedU8 } from './shared-memory.js';

/** Reads a file straight into shared memory, so that 47 MB of pixels are not copied again. */
export async function readFileShared(path: string): Promise<NamedBytes> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { size } = await handle.stat();
    const bytes = sharedU8(size);
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return { file: path, bytes: bytes.subarray(0, filled) };
  } catch (cause) {
    throw new DataFormatError(path, 'cannot be read', 'check that it is a file and that you may read it', {
      cause,
    });
  } finally {
    await handle?.close();
  }
}
