import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cifar10Files, readCifar10 } from './cifar.js';
import type { TaskData } from './dataset.js';
import { DataNotFoundError } from './errors.js';
import { readFileShared } from './read-file.node.js';

export interface LoadCifar10Options {
  /** Folder of the six `.bin` files, or the folder above `cifar-10-batches-bin`. */
  root: string;
  /** Relative roots start here. Default: the process's working folder. */
  configFolder?: string;
}

/**
 * Loads CIFAR-10 (50,000 and 10,000 images) from the files of `cifar-10-binary.tar.gz`; nothing is downloaded.
 *
 * @throws {DataNotFoundError} with the names looked for and the folders searched.
 * @throws {DataFormatError} for a file of the wrong length.
 */
export async function loadCifar10(options: LoadCifar10Options): Promise<TaskData> {
  const root = resolve(options.configFolder ?? process.cwd(), options.root);
  const folders = [root, join(root, 'cifar-10-batches-bin')];
  const names = [...cifar10Files.train, ...cifar10Files.test];
  const folder = folders.find((candidate) => names.every((name) => existsSync(join(candidate, name))));
  if (folder === undefined)
    throw new DataNotFoundError(
      'CIFAR-10',
      names,
      folders,
      'unpack cifar-10-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html) there, or use --synthetic',
    );
  const read = (name: string) => readFileShared(join(folder, name));
  return readCifar10(
    await Promise.all(cifar10Files.train.map(read)),
    await Promise.all(cifar10Files.test.map(read)),
  );
}
