/**
 * Writing files of a run so that a reader never meets half of one: whole files appear by rename, and files that grow
 * are cut back to their last complete record when a write fails.
 */
import * as nodeFs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RunFolderError } from './run-folder-error.js';

/** The part of `node:fs/promises` that the run folder uses; another may be given to watch or to fail writes. */
export type FileSystem = Pick<typeof nodeFs, 'mkdir' | 'open' | 'readdir' | 'readFile' | 'rename' | 'rm'>;
type FileHandle = nodeFs.FileHandle;

export const nodeFileSystem: FileSystem = nodeFs;

/**
 * Makes or replaces a whole file: temporary neighbour, fsync, rename, fsync of the folder.
 *
 * @throws {RunFolderError} with the temporary file removed and the old content, if any, in place.
 */
export async function writeWhole(fs: FileSystem, path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const handle = await fs.open(temporary, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    // The first error is the one to tell; a temporary file that cannot be removed is dot-named and harmless.
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw RunFolderError.from(error, 'writing', path);
  }
  await syncFolder(fs, dirname(path));
}

/** Makes the rename durable. Windows and some network file systems cannot sync a folder, and order renames anyway. */
async function syncFolder(fs: FileSystem, path: string): Promise<void> {
  if (process.platform === 'win32') return;
  let handle: FileHandle | undefined;
  try {
    handle = await fs.open(path, 'r');
    await handle.sync();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EISDIR')
      throw RunFolderError.from(error, 'writing', path);
  } finally {
    await handle?.close();
  }
}

/** A file that grows record by record. Records are buffered until `flush`. */
export interface GrowingFile {
  readonly path: string;
  /** Bytes on disk that hold whole records. */
  readonly size: number;
  append(record: Uint8Array | string): void;
  /** Cuts the file to `at` bytes and writes `text` there; anything buffered is written before. */
  replaceFrom(at: number, text: string): Promise<void>;
  /** Replaces the whole content in one step: a reader, or a crash, sees the old file or the new one. */
  rewrite(change: (content: Uint8Array) => Uint8Array): Promise<void>;
  /** Hands the buffered records to the operating system. */
  flush(): Promise<void>;
  /** Flushes, forces the bytes to the disk and closes. */
  close(): Promise<void>;
}

const utf8 = new TextEncoder();

/** @throws {RunFolderError} if the file is there already: a run never writes into another run's records. */
export async function createGrowingFile(fs: FileSystem, path: string): Promise<GrowingFile> {
  let handle: FileHandle;
  try {
    handle = await fs.open(path, 'wx');
  } catch (error) {
    throw RunFolderError.from(error, 'making', path);
  }
  let size = 0;
  let pending: Uint8Array[] = [];

  const writeAt = async (at: number, bytes: Uint8Array): Promise<void> => {
    try {
      if (at < size) await handle.truncate(at);
      size = Math.min(size, at);
      for (let done = 0; done < bytes.length; )
        done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
      size = at + bytes.length;
    } catch (error) {
      // Cutting needs no space, so it works on a full disk; if even that fails, readers skip the last line.
      await handle.truncate(size).catch(() => undefined);
      throw RunFolderError.from(error, 'writing', path);
    }
  };
  const flush = async (): Promise<void> => {
    if (pending.length === 0) return;
    const bytes = Buffer.concat(pending);
    pending = [];
    await writeAt(size, bytes);
  };

  return {
    path,
    get size() {
      return size;
    },
    append(record) {
      pending.push(typeof record === 'string' ? utf8.encode(record) : record);
    },
    async replaceFrom(at, text) {
      await flush();
      await writeAt(at, utf8.encode(text));
    },
    async rewrite(change) {
      await flush();
      let content: Uint8Array;
      try {
        content = change(await fs.readFile(path));
        // Windows refuses to rename onto an open file.
        await handle.close();
      } catch (error) {
        throw RunFolderError.from(error, 'rewriting', path);
      }
      try {
        await writeWhole(fs, path, content);
        size = content.length;
      } finally {
        handle = await fs.open(path, 'r+');
      }
    },
    flush,
    async close() {
      try {
        await flush();
        await handle.sync();
      } catch (error) {
        throw RunFolderError.from(error, 'writing', path);
      } finally {
        await handle.close();
      }
    },
  };
}
