/** Models on disk. */
import { fstatSync } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputChangedError, ModelFileError } from './errors.js';
import { modelIoError } from './io-error.js';
import { type ByteFile, openModelPlace } from './reader.js';
import type { ModelSource } from './source.js';

/**
 * Opens a model: a safetensors file, or a folder with `model.safetensors.index.json` and its shards or `model.safetensors`. Only headers
 * are read; tensors are read by position, and files that are written to meanwhile are noticed.
 *
 * @throws as `openModelPlace`; `ModelFileError` for what the file system refuses.
 */
export async function openModel(path: string): Promise<ModelSource> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (error) {
    throw modelIoError(error, 'reading', path, path);
  }
  const folder = isFolder ? path : dirname(path);
  return openModelPlace(
    { path, open: (name) => openFile(join(folder, name), path), list: () => readdir(folder) },
    isFolder ? undefined : basename(path),
  );
}

async function openFile(path: string, model: string): Promise<ByteFile | undefined> {
  let handle: FileHandle;
  try {
    // Before it is opened: opening a pipe waits for its other end.
    if (!(await stat(path)).isFile())
      throw new ModelFileError(
        'ERR_MODEL_FORMAT',
        `${path} is not a file`,
        'name a safetensors file, or a folder with model.safetensors or model.safetensors.index.json',
        { model, file: path },
      );
    handle = await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw modelIoError(error, 'reading', path, model);
  }
  // Asked for without a thread: a few microseconds a read.
  const { fd } = handle;
  const opened = fstatSync(fd, { bigint: true });
  const verify = (): void => {
    const now = fstatSync(fd, { bigint: true });
    if (now.size !== opened.size)
      throw new InputChangedError(path, `${opened.size} bytes became ${now.size}`);
    if (now.mtimeNs !== opened.mtimeNs) throw new InputChangedError(path, 'it was written to');
  };
  let closed = false;
  return {
    path,
    size: Number(opened.size),
    descriptor: fd,
    async read(into, position) {
      try {
        for (let done = 0; done < into.length; ) {
          const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
          if (bytesRead === 0) throw new InputChangedError(path, 'it became shorter');
          done += bytesRead;
        }
        verify();
      } catch (error) {
        throw modelIoError(error, 'reading', path, model);
      }
    },
    async verify() {
      verify();
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}
